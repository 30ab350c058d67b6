//! The HTTP edge: what every function does before and after a request.

mod answer;
pub mod cookie;
pub mod identity;
mod message;
pub mod problem;
pub mod request;
pub mod response;
pub mod sale_view;
pub mod staff_view;
pub mod view;

pub use answer::{answer, serve, serve_directly, turned_away};
pub use message::{Body, Request, Response, request_id};
