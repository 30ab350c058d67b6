//! The lowest layers of `shared`, in a crate of their own, so that the compiler keeps HTTP, AWS and Stripe out of them, and so that
//! their tests compile within seconds. Functions name these modules as `shared::base` and `shared::domain`.

pub mod base;
pub mod domain;
