//! Connections: keys, idempotency, errors, pages, webhooks, the admin API.

pub(crate) mod account_pages;
pub(crate) mod admin;
pub(crate) mod api;
pub(crate) mod auth;
pub(crate) mod connections;
pub(crate) mod deliveries;
pub(crate) mod embedded;
pub(crate) mod host;
pub(crate) mod invoice_pages;
pub(crate) mod jobs;
pub(crate) mod oauth;
pub(crate) mod pages;
pub(crate) mod persistence;
pub(crate) mod run;
