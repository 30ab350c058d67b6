//! What is stored.

pub(crate) mod agenda;
pub(crate) mod all;
pub(crate) mod calls;
pub(crate) mod door;
pub(crate) mod embedded;
pub(crate) mod outbox;
pub(crate) mod row;
pub(crate) mod settings;
pub(crate) mod table;
pub(crate) mod traffic;
