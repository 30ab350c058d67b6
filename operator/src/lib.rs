//! What an operator does to the table: makes it for the local stack, fills it with test data, appoints the first member
//! of staff, renews sellers' tokens; and to Stripe: registers the webhook endpoints. Each says in a sentence what it did.

pub mod endpoints;
pub mod fixtures;
pub mod staff;
pub mod table;
pub mod tokens;

/// Why nothing was done, as a sentence for the operator.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Whether an endpoint is a stand-in rather than AWS's own under another of its names.
#[must_use]
pub fn is_local(endpoint: &str) -> bool {
    ![".amazonaws.com", ".api.aws"].iter().any(|domain| endpoint.contains(domain))
}
