//! Users: buyers, who may also be sellers or staff.

mod account;
mod account_state;
mod email;
mod made_account;
mod record;
mod second_factor;
mod suppression;
pub mod terms_of_use;

pub use account::{AccountType, AccountsApi, Responsibilities, StripeLink, Unable};
pub use account_state::{
    AccountState, Capabilities, Capability, CapabilityStatus, FutureRequirements, RequirementError, Requirements, Since,
};
pub use email::Email;
pub use made_account::{MadeAccount, MakingState};
pub use record::{SellerTerms, Suspension, User, payer_place};
pub use second_factor::{RECOVERY_CODES, SecondFactor, Shown};
pub use suppression::{MailSuppression, SuppressionReason};
pub use terms_of_use::{Accepted, TermsOfUse};
