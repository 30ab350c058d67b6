//! Mails, and what is done by mail.

mod account;
mod erasure;
mod letters;
mod outbox;
mod password;
mod suppressions;
