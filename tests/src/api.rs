//! What the API answers, one file for each group of routes.

mod addresses;
mod applications;
mod audit;
mod catalogue;
mod config;
mod course;
mod credentials;
mod export;
mod log;
mod log_in;
mod me;
mod my_courses;
mod operator;
mod pages;
mod purchases;
mod restore;
mod routes;
mod second_factor;
mod seller_page;
mod sellers;
mod sign_up;
mod staff;
mod suspended;
mod terms_of_use;
