//! Errors as clients see them: RFC 9457 problem details with a stable `code`. This is the only place that maps errors to responses.

use lambda_http::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use serde_json::json;

use super::message::{Body, Response};
use crate::domain::charging::told;
use crate::domain::error::Error;

fn status(error: &Error) -> (u16, &'static str) {
    match error {
        Error::MalformedJson(_) => (400, "Malformed JSON"),
        Error::BadCursor => (400, "Bad cursor"),
        Error::BadSignature => (400, "Bad signature"),
        Error::NotSignedIn => (401, "Not signed in"),
        Error::BadCredentials => (401, "Bad credentials"),
        Error::SecondFactorRequired => (401, "Second factor required"),
        Error::SecondFactorWrong => (401, "Second factor wrong"),
        Error::CardDeclined { .. } => (402, "Card declined"),
        Error::PasswordRequired => (403, "Password required"),
        Error::SecondFactorRequiredForStaff => (403, "Second factor required for staff"),
        Error::Forbidden => (403, "Forbidden"),
        Error::ForeignOrigin => (403, "Foreign origin"),
        Error::EmailNotConfirmed => (403, "E-mail not confirmed"),
        Error::ChallengeWanted => (403, "Challenge required"),
        Error::TermsNotAccepted { .. } => (403, "Terms of use not accepted"),
        Error::FeeIsThePlatforms => (403, "The fee is the platform's"),
        Error::Suspended => (403, "Account suspended"),
        Error::NotASeller => (403, "Not a seller"),
        Error::OwnCourse => (403, "Your own course"),
        Error::OwnMembership => (403, "Your own membership"),
        Error::NotOwned => (403, "Not owned"),
        Error::AccessSuspended => (403, "Access suspended"),
        Error::NotFound(_) => (404, "Not found"),
        Error::MethodNotAllowed => (405, "Method not allowed"),
        Error::SecondFactorOn => (409, "Second factor on"),
        Error::EmailTaken => (409, "E-mail taken"),
        Error::NotSellable { .. } => (409, "Not sellable"),
        Error::SalesNotShareable => (409, "Sales cannot be shared"),
        Error::AlreadySeller => (409, "Already a seller"),
        Error::ApplicationWaiting => (409, "Application waiting"),
        Error::SlugTaken => (409, "Slug taken"),
        Error::HandleTaken => (409, "Handle taken"),
        Error::Conflict => (409, "Conflicting change"),
        Error::AlreadyOwned => (409, "Already owned"),
        Error::PriceChanged { .. } => (409, "Price changed"),
        Error::PriceTooLow => (409, "Price too low"),
        Error::SellerNotConnected => (409, "Seller not connected"),
        Error::SellerCapabilityMissing { .. } => (409, "Seller's account lacks a capability"),
        Error::PurchaseInProgress => (409, "Purchase in progress"),
        Error::PaymentProcessing => (409, "Payment processing"),
        Error::PaymentsInProgress => (409, "Payments in progress"),
        Error::AlreadySubscribed => (409, "Already subscribed"),
        Error::SubscriptionInProgress => (409, "Subscription in progress"),
        Error::IntervalNotOffered => (409, "Interval not offered"),
        Error::SubscriptionNotRunning => (409, "Subscription not running"),
        Error::SubscriptionPastDue => (409, "Subscription past due"),
        Error::NotPaid => (409, "Not paid"),
        Error::AlreadyRefunded => (409, "Already refunded"),
        Error::RefundInProgress => (409, "Refund in progress"),
        Error::RefundRefused(_) => (409, "Refund refused"),
        Error::PeriodRefunded => (409, "Period refunded"),
        Error::OtherCharges => (409, "Other charges"),
        Error::PurchaseDisputed => (409, "Purchase disputed"),
        Error::DisputeIsTheSellers => (409, "The seller's dispute"),
        Error::DisputeNotAnswerable => (409, "Dispute not answerable"),
        Error::DisputePastDue => (409, "Dispute past due"),
        Error::EvidenceSubmitted => (409, "Evidence submitted"),
        Error::EvidenceRefused(_) => (409, "Evidence refused"),
        Error::RefundByStaff => (409, "Refund by staff only"),
        Error::AlreadyLinked => (409, "Already linked"),
        Error::AccountTaken => (409, "Stripe account taken"),
        Error::AlreadyConnected => (409, "Already connected"),
        Error::AccountsRefused => (409, "Accounts refused"),
        Error::TooManyAccounts { .. } => (409, "Too many accounts"),
        Error::NotConnected => (409, "Not connected"),
        Error::NoExpressDashboard => (409, "No Express Dashboard"),
        Error::OnboardingUnfinished => (409, "Onboarding unfinished"),
        Error::ComponentsRefused => (409, "Components refused"),
        Error::DebtsOpen => (409, "Debts open"),
        Error::StillConnected => (409, "Stripe account still connected"),
        Error::StillSubscribed => (409, "Still subscribed"),
        Error::CardInUse => (409, "Card in use"),
        Error::ConfirmationGone => (410, "Confirmation expired"),
        Error::LinkGone => (410, "Link gone"),
        Error::BodyTooLarge { .. } => (413, "Body too large"),
        Error::UnsupportedMediaType => (415, "Unsupported media type"),
        Error::InvalidRequest(_) => (422, "Invalid request"),
        Error::PasswordTooWeak => (422, "Password too weak"),
        Error::RefundTooLarge { .. } => (422, "Refund too large"),
        Error::RefundTooSmall { .. } => (422, "Refund too small"),
        Error::TooManyRefunds { .. } => (409, "Too many refunds"),
        Error::RefundLimitReached { .. } => (429, "Refund limit reached"),
        Error::PaymentMethodRefused(_) => (422, "Payment method refused"),
        Error::Throttled { .. } => (429, "Too many log-ins"),
        Error::TooManySignUps { .. } => (429, "Too many sign-ups"),
        Error::TooManyMails { .. } => (429, "Too many mails"),
        Error::TooManyCards { .. } => (429, "Too many cards"),
        Error::TooManyApplications { .. } => (429, "Too many applications"),
        Error::Internal(_) => (500, "Internal error"),
        Error::PaymentProviderError(_) => (502, "Payment provider error"),
        Error::PaymentProviderUnavailable(_) => (503, "Payment provider unavailable"),
        Error::PaymentProviderTimeout(_) => (504, "Payment provider timeout"),
    }
}

/// The response that tells a client what went wrong, and nothing more.
#[must_use]
pub fn response(error: &Error, request_id: &str) -> Response {
    let (status, title) = status(error);
    let code = error.code();
    let mut body = json!({
        "type": format!("urn:lambda-stripe-connect:problem:{code}"),
        "title": title,
        "status": status,
        "detail": error.to_string(),
        "code": code,
        "request_id": request_id,
    });
    let mut builder = lambda_http::Response::builder();
    match error {
        Error::CardDeclined { reason, decline_code, .. } => {
            body["decline_code"] = json!(told(decline_code.as_deref().unwrap_or(reason)));
        }
        Error::PriceChanged { amount, currency } => body["price"] = json!({"amount": amount, "currency": currency}),
        Error::TermsNotAccepted { url, version } => body["terms_of_use"] = json!({"url": url, "version": version}),
        Error::NotSellable { capability } | Error::SellerCapabilityMissing { capability } => body["capability"] = json!(capability),
        Error::RefundTooLarge { left, currency } => body["left"] = json!({"amount": left, "currency": currency}),
        Error::RefundTooSmall { least, currency } => body["least"] = json!({"amount": least, "currency": currency}),
        Error::Throttled { retry_after }
        | Error::RefundLimitReached { retry_after }
        | Error::TooManyCards { retry_after }
        | Error::TooManyApplications { retry_after }
        | Error::TooManyMails { retry_after }
        | Error::TooManySignUps { retry_after } => {
            builder = builder.header(RETRY_AFTER, *retry_after);
        }
        Error::PurchaseInProgress
        | Error::SubscriptionInProgress
        | Error::RefundInProgress
        | Error::PaymentProviderUnavailable(_)
        | Error::PaymentProviderTimeout(_) => {
            builder = builder.header(RETRY_AFTER, 2);
        }
        _ => {}
    }
    builder
        .status(status)
        .header(CONTENT_TYPE, "application/problem+json")
        .header(CACHE_CONTROL, "no-store")
        .body(Body::from(body.to_string()))
        .expect("the headers are sound")
}

/// Logs what clients must not see. Client errors are not logged.
pub fn log(error: &Error, request_id: &str) {
    match error {
        Error::Internal(cause) => tracing::error!(request_id, code = error.code(), cause, "request failed"),
        Error::PaymentProviderError(cause) | Error::PaymentProviderUnavailable(cause) | Error::PaymentProviderTimeout(cause) => {
            tracing::warn!(request_id, code = error.code(), cause, "request failed");
        }
        _ => {}
    }
}
