//! Subscriptions and their invoices.

pub(crate) mod attached;
pub(crate) mod changes;
pub(crate) mod cycle;
pub(crate) mod invoices;
pub(crate) mod lines;
pub(crate) mod pending;
pub(crate) mod periods;
pub(crate) mod prices;
pub(crate) mod products;
pub(crate) mod rows;
pub(crate) mod subscriptions;
