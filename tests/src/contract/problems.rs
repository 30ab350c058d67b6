//! The stable error codes: openapi.yaml has an example of each, and it is exactly what a client gets.

use std::collections::{BTreeMap, BTreeSet};

use lambda_http::Body;
use serde_json::Value;
use shared::domain::error::{Error, UNUSABLE};
use shared::http::problem;
use shared::http::request::BODY_MAX;

use super::{entries, file, openapi, text};

/// One error of each kind, with the values of the examples.
fn every_error() -> Vec<Error> {
    let cause = || "not for clients".to_owned();
    let all = vec![
        Error::MalformedJson("EOF while parsing an object at line 1 column 9".to_owned()),
        Error::UnsupportedMediaType,
        Error::BodyTooLarge { most: BODY_MAX },
        Error::InvalidRequest("price.amount must lie between 50 and 99999999 minor units of usd".to_owned()),
        Error::PasswordTooWeak,
        Error::BadCursor,
        Error::NotSignedIn,
        Error::PasswordRequired,
        Error::BadCredentials,
        Error::SecondFactorRequired,
        Error::SecondFactorWrong,
        Error::SecondFactorOn,
        Error::SecondFactorRequiredForStaff,
        Error::Throttled { retry_after: 540 },
        Error::EmailTaken,
        Error::Forbidden,
        Error::ForeignOrigin,
        Error::TooManySignUps { retry_after: 540 },
        Error::TooManyMails { retry_after: 540 },
        Error::TooManyCards { retry_after: 540 },
        Error::EmailNotConfirmed,
        Error::ChallengeWanted,
        Error::TermsNotAccepted { url: "https://shop.example.com/terms".to_owned(), version: "2026-11".to_owned() },
        Error::FeeIsThePlatforms,
        Error::NotSellable { capability: "card_payments" },
        Error::SalesNotShareable,
        Error::Suspended,
        Error::NotASeller,
        Error::AlreadySeller,
        Error::ApplicationWaiting,
        Error::TooManyApplications { retry_after: 540 },
        Error::OwnCourse,
        Error::OwnMembership,
        Error::NotFound("course"),
        Error::MethodNotAllowed,
        Error::SlugTaken,
        Error::HandleTaken,
        Error::Conflict,
        Error::AlreadyOwned,
        Error::PriceChanged { amount: 5000, currency: "usd" },
        Error::PriceTooLow,
        Error::SellerNotConnected,
        Error::SellerCapabilityMissing { capability: "transfers" },
        Error::PurchaseInProgress,
        Error::PaymentProcessing,
        Error::AlreadySubscribed,
        Error::SubscriptionInProgress,
        Error::IntervalNotOffered,
        Error::SubscriptionNotRunning,
        Error::SubscriptionPastDue,
        Error::NotPaid,
        Error::AlreadyRefunded,
        Error::RefundTooLarge { left: 4000, currency: "usd" },
        Error::RefundTooSmall { least: 50, currency: "usd" },
        Error::TooManyRefunds { most: 10 },
        Error::RefundLimitReached { retry_after: 540 },
        Error::RefundInProgress,
        Error::RefundRefused("charge_already_refunded".to_owned()),
        Error::PeriodRefunded,
        Error::OtherCharges,
        Error::PurchaseDisputed,
        Error::DisputeIsTheSellers,
        Error::DisputeNotAnswerable,
        Error::DisputePastDue,
        Error::EvidenceSubmitted,
        Error::EvidenceRefused("This dispute is already closed".to_owned()),
        Error::RefundByStaff,
        Error::NotOwned,
        Error::AccessSuspended,
        Error::CardDeclined { reason: "card_declined".to_owned(), decline_code: Some("insufficient_funds".to_owned()), fingerprint: None },
        Error::PaymentMethodRefused(UNUSABLE),
        Error::PaymentProviderError(cause()),
        Error::PaymentProviderUnavailable(cause()),
        Error::PaymentProviderTimeout(cause()),
        Error::PaymentsInProgress,
        Error::ConfirmationGone,
        Error::LinkGone,
        Error::StillConnected,
        Error::DebtsOpen,
        Error::StillSubscribed,
        Error::CardInUse,
        Error::AlreadyLinked,
        Error::AccountTaken,
        Error::AlreadyConnected,
        Error::AccountsRefused,
        Error::TooManyAccounts { most: 5 },
        Error::NotConnected,
        Error::NoExpressDashboard,
        Error::OnboardingUnfinished,
        Error::ComponentsRefused,
        Error::BadSignature,
        Error::Internal(cause()),
    ];
    // The list is complete if it has as many kinds as `Error::code` has arms.
    let arms = file("shared/core/src/domain/error.rs")
        .lines()
        .filter(|line| line.trim_start().starts_with("Self::") && line.contains("=> \""))
        .count();
    assert_eq!(all.len(), arms, "an error is missing here");
    all
}

#[test]
fn the_example_of_every_code_is_what_a_client_gets() {
    let document = openapi::read();
    let mut answered = BTreeMap::new();
    for error in every_error() {
        let response = problem::response(&error, "8f5c1d2e-7a60-4b0d-9a5e-3b1f0c9d4e21");
        let Body::Text(body) = response.body() else { panic!("{error:?} has no text") };
        let body: Value = serde_json::from_str(body).expect("it is JSON");
        assert_eq!(body["status"], response.status().as_u16());
        answered.insert(error.code().to_owned(), body);
    }
    let examples = entries(&document["components"]["examples"]);
    let documented: BTreeMap<_, _> = examples.map(|(code, example)| (code.to_owned(), example["value"].clone())).collect();
    assert_eq!(documented, answered);
}

#[test]
fn every_code_is_listed_at_an_operation_under_its_status() {
    let document = openapi::read();
    let mut used = BTreeSet::new();
    for ((method, path), operation) in openapi::operations(&document) {
        for (status, response) in entries(&operation["responses"]) {
            let response = openapi::resolve(&document, response);
            let examples = response.pointer("/content/application~1problem+json/examples");
            // The answer to HEAD has no body.
            let is_error = (status.starts_with(['4', '5']) || status == "default") && method != "HEAD";
            // A page that is not there is a page, too.
            let is_page = response.pointer("/content/text~1html; charset=utf-8").is_some();
            assert_eq!(examples.is_some(), is_error && !is_page, "{method} {path} {status}");
            for (code, example) in examples.into_iter().flat_map(entries) {
                let value = &openapi::resolve(&document, example)["value"];
                assert_eq!(text(&value["code"]), code, "{method} {path}");
                if status != "default" {
                    assert_eq!(value["status"].to_string(), status, "{method} {path} {code}");
                }
                used.insert(code);
            }
        }
    }
    let all: BTreeSet<_> = entries(&document["components"]["examples"]).map(|(code, _)| code).collect();
    assert_eq!(used, all);
}

#[test]
fn responses_that_ask_to_wait_say_how_long() {
    let document = openapi::read();
    let patient: BTreeSet<_> = every_error()
        .iter()
        .filter(|error| problem::response(error, "").headers().contains_key("retry-after"))
        .map(|error| error.code())
        .collect();
    for ((method, path), operation) in openapi::operations(&document) {
        for (status, response) in entries(&operation["responses"]) {
            let response = openapi::resolve(&document, response);
            let mut codes = response.pointer("/content/application~1problem+json/examples").into_iter().flat_map(entries);
            let promised = response.pointer("/headers/Retry-After").is_some();
            assert_eq!(codes.any(|(code, _)| patient.contains(code)), promised, "{method} {path} {status}");
        }
    }
}
