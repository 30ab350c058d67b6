//! Accounts: their properties, requirements and capabilities.

pub(crate) mod banks;
pub(crate) mod build;
pub(crate) mod known;
pub(crate) mod people;
pub(crate) mod requirements;
pub(crate) mod rows;
pub(crate) mod thin;
pub(crate) mod v2_shape;
