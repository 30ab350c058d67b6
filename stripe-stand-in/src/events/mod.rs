//! Events, and who receives them.

pub(crate) mod context;
pub(crate) mod emit;
pub(crate) mod endpoints;
