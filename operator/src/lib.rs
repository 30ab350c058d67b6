//! Commands for operators. They create the table for the local stack, write test data, appoint the first staff member, renew
//! sellers' tokens, put back what the tables have lost, and register the webhook endpoints at Stripe. Each command reports what it did in a sentence.

pub mod endpoints;
pub mod fixtures;
pub mod passwords;
pub mod restore;
pub mod second_factor;
pub mod staff;
pub mod table;
pub mod tokens;

/// Why nothing was done, as a sentence for the operator.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether an endpoint is a stand-in, not one of AWS's own.
#[must_use]
pub fn is_local(endpoint: &str) -> bool {
    ![".amazonaws.com", ".api.aws"].iter().any(|domain| endpoint.contains(domain))
}
