//! What the API answers, one file for each group of routes.

mod catalogue;
mod config;
mod course;
mod log_in;
mod me;
mod my_courses;
mod operator;
mod purchases;
mod routes;
mod sign_up;
mod staff;
