//! Compares the Stripe stand-in's responses with the types that async-stripe generates from Stripe's specification.
//!
//! The functions parse Stripe's responses leniently, so nothing else would notice an object that Stripe cannot send.
//! The check is in `tests/`; this library is empty, so that only the tests build the types.
