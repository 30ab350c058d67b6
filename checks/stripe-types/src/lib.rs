//! Holds the local Stripe stand-in against the types that async-stripe generates from Stripe's specification.
//!
//! The functions read Stripe's answers leniently, so nothing else would notice an object that Stripe could not have
//! sent. The check is in `tests/`; this library is empty, so that the types are built for the tests only.
