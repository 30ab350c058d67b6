//! Users: buyers, who may also be sellers or staff.

mod account;
mod email;
mod made_account;
mod record;
mod second_factor;
mod suppression;
pub mod terms_of_use;

pub use account::{AccountState, AccountType, AccountsApi, Capabilities, Capability, CapabilityStatus, Requirements, StripeLink, Unable};
pub use email::Email;
pub use made_account::{MadeAccount, MakingState};
pub use record::{SellerTerms, Suspension, User, payer_place};
pub use second_factor::{RECOVERY_CODES, SecondFactor, Shown};
pub use suppression::{MailSuppression, SuppressionReason};
pub use terms_of_use::{Accepted, TermsOfUse};
