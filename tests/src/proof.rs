//! Shows that money is never wrong by breaking every call that the functions make, in every way.

mod accounts;
mod calls;
mod cards;
mod completeness;
mod engine;
mod erasures;
mod evidence;
mod faults;
mod invariants;
mod links;
mod mails;
mod matrix;
mod members;
mod memberships;
mod sale;
mod scenarios;
mod source;
mod stage;
