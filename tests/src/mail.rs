//! Mails, and what is done by mail.

mod account;
mod erasure;
mod outbox;
mod password;
