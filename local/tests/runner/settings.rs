//! What the environment can change, and what it cannot.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;

use local::settings::{Ports, Settings, Stripe};

fn settings(values: &[(&str, &str)]) -> Result<Settings, String> {
    let values: HashMap<String, String> = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Settings::from_values(Path::new("/nowhere"), values)
}

fn variable(settings: &Settings, name: &str) -> String {
    settings.functions()[name].clone()
}

#[test]
fn by_default_everything_is_on_this_machine() {
    let settings = settings(&[]).unwrap();
    assert_eq!(*settings.stripe(), Stripe::StandIn);
    assert!(settings.overrides().is_empty(), "a plain `cargo lambda watch` gets the same: {:?}", settings.overrides());
    for (name, value) in settings.functions() {
        assert!(!value.contains("//") || value.starts_with("http://localhost:"), "{name}={value}");
    }
    assert_eq!(variable(&settings, "AWS_ACCESS_KEY_ID"), "local");
}

#[test]
fn a_moved_port_moves_its_addresses() {
    let settings = settings(&[("API_PORT", "9901"), ("DYNAMODB_PORT", "8801"), ("STRIPE_PORT", "12901")]).unwrap();
    assert_eq!(*settings.ports(), Ports { api: 9901, dynamodb: 8801, stripe: 12901, ..Ports::default() });
    assert_eq!(variable(&settings, "PUBLIC_API_URL"), "http://localhost:9901");
    assert_eq!(variable(&settings, "AWS_ENDPOINT_URL_DYNAMODB"), "http://localhost:8801");
    assert_eq!(variable(&settings, "STRIPE_CONNECT_BASE"), "http://localhost:12901");
    assert_eq!(variable(&settings, "STOREFRONT_URL"), "http://localhost:3000");
}

#[test]
fn what_the_caller_sets_is_passed_on() {
    let given = [
        ("STRIPE_API_BASE", "http://localhost:7777"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:7778"),
        ("AWS_ENDPOINT_URL_SESV2", "http://localhost:7779"),
        ("CHARGE_TYPE", "direct"),
        ("RUST_LOG", "debug"),
    ];
    let settings = settings(&given).unwrap();
    for (name, value) in given {
        assert_eq!(variable(&settings, name), value);
    }
    assert_eq!(settings.overrides().len(), given.len());
    let operator = settings.operator();
    assert_eq!(operator["AWS_ENDPOINT_URL_DYNAMODB"], "http://localhost:8000", "the table is created without the proxy");
    assert_eq!(operator["CHARGE_TYPE"], "direct");
}

#[test]
fn a_general_aws_endpoint_applies_to_services_without_their_own() {
    let given = [("AWS_ENDPOINT_URL", "http://localhost:7777"), ("AWS_ENDPOINT_URL_DYNAMODB", "http://localhost:7778")];
    let settings = settings(&given).unwrap();
    assert_eq!(variable(&settings, "AWS_ENDPOINT_URL_SECRETS_MANAGER"), "http://localhost:7777");
    assert_eq!(variable(&settings, "AWS_ENDPOINT_URL_DYNAMODB"), "http://localhost:7778");
}

#[test]
fn the_callers_own_aws_credentials_reach_no_function() {
    let settings = settings(&[("AWS_ACCESS_KEY_ID", "AKIAREAL"), ("AWS_SECRET_ACCESS_KEY", "real"), ("AWS_REGION", "eu-west-1")]).unwrap();
    assert_eq!(variable(&settings, "AWS_ACCESS_KEY_ID"), "local");
    assert_eq!(variable(&settings, "AWS_SECRET_ACCESS_KEY"), "local");
}

#[test]
fn keys_of_stripes_test_mode_bring_stripes_own_addresses() {
    let keys = [
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_test_1"),
        ("STRIPE_CLIENT_ID", "ca_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_1"),
    ];
    let settings = settings(&keys).unwrap();
    assert_eq!(variable(&settings, "STRIPE_API_BASE"), "https://api.stripe.com");
    assert_eq!(variable(&settings, "STRIPE_CONNECT_BASE"), "https://connect.stripe.com");
    assert_eq!(variable(&settings, "STRIPE_PUBLISHABLE_KEY"), "pk_test_1");
    assert_eq!(variable(&settings, "STRIPE_CLIENT_ID"), "ca_1");
    assert!(!settings.functions().values().any(|value| value.contains("sk_test_1")), "the key is a secret, not a variable");
    let Stripe::TestMode(keys) = settings.stripe() else { panic!("{:?}", settings.stripe()) };
    assert_eq!(keys.connect_webhook_secret.as_deref(), Some("whsec_1"));
}

#[test]
fn live_and_incomplete_keys_are_refused_without_showing_them() {
    let live = settings(&[("STRIPE_SECRET_KEY", "sk_live_abc")]).unwrap_err();
    assert!(live.contains("live") && !live.contains("abc"), "{live}");
    assert!(settings(&[("STRIPE_PUBLISHABLE_KEY", "pk_live_abc")]).unwrap_err().contains("live"));
    let incomplete = settings(&[("STRIPE_SECRET_KEY", "sk_test_abc")]).unwrap_err();
    assert!(incomplete.contains("STRIPE_PUBLISHABLE_KEY") && !incomplete.contains("abc"), "{incomplete}");
    assert_eq!(*settings(&[("STRIPE_SECRET_KEY", "sk_test_local")]).unwrap().stripe(), Stripe::StandIn);
}

#[test]
fn a_taken_port_is_named_with_the_variable_that_moves_it() {
    // Below the ports that systems hand out for port 0, which other tests and programs are given at any time.
    let mut free = (20_000..30_000_u16).filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    let taken = free.next().unwrap();
    let others: Vec<String> = free.take(4).map(|listener| listener.local_addr().unwrap().port().to_string()).collect();
    let port = taken.local_addr().unwrap().port().to_string();
    let [storefront, dynamodb, stripe, aws] = &others[..] else { panic!("{others:?}") };
    let ports =
        [("API_PORT", &port), ("STOREFRONT_PORT", storefront), ("DYNAMODB_PORT", dynamodb), ("STRIPE_PORT", stripe), ("AWS_PORT", aws)];
    let settings = settings(&ports.map(|(name, value)| (name, value.as_str()))).unwrap();
    let message = settings.ports().check(&[]).unwrap_err();
    assert!(message.contains(&port) && message.contains("API_PORT"), "{message}");
    assert!(!message.contains("STRIPE_PORT"), "{message}");
    assert_eq!(settings.ports().check(&["API_PORT"]), Ok(()));
    drop(taken);
    assert_eq!(settings.ports().check(&[]), Ok(()));
}

#[test]
fn ports_must_be_ports_and_differ() {
    assert!(settings(&[("API_PORT", "http")]).unwrap_err().contains("API_PORT"));
    assert!(settings(&[("API_PORT", "0")]).unwrap_err().contains("API_PORT"));
    let twice = settings(&[("API_PORT", "3000")]).unwrap_err();
    assert!(twice.contains("API_PORT") && twice.contains("STOREFRONT_PORT"), "{twice}");
}
