//! Sends arbitrary bytes to the handlers: they must always answer and never panic.
//!
//! Each function turns bytes into requests. `cargo test` calls them with the seeds in `fuzz/seeds` and with randomly changed
//! seeds; `make fuzz` lets libFuzzer generate more. DynamoDB and Stripe are not available: requests
//! that need them get a 5xx at once.

mod stage;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use stage::{Function, NOW, on_stage};

/// The target with this name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("webhook_body", webhook_body),
    ("webhook_signature", webhook_signature),
    ("cursor", cursor),
    ("cookie", cookie),
    ("query", query),
    ("oauth_callback", oauth_callback),
];

const ENDPOINTS: [(&str, &str); 2] = [("/webhooks/stripe", "whsec_platform"), ("/webhooks/stripe/connect", "whsec_connect")];

/// The lists that accept a cursor, with the functions that serve them.
const LISTS: [(Function, &str); 13] = [
    (Function::Courses, "/courses"),
    (Function::Courses, "/users/me/courses"),
    (Function::Purchases, "/purchases"),
    (Function::Purchases, "/sales"),
    (Function::Purchases, "/admin/findings"),
    (Function::Purchases, "/admin/audit"),
    (Function::Purchases, "/admin/users/usr_1/sales"),
    (Function::Accounts, "/admin/users"),
    (Function::Accounts, "/users/me/export"),
    (Function::PaymentMethods, "/users/me/payment-methods"),
    (Function::Memberships, "/subscriptions"),
    (Function::Purchases, "/admin/disputes"),
    (Function::Accounts, "/admin/applications"),
];

/// All other routes that read a query or a cookie.
const OTHERS: [(Function, &str); 10] = [
    (Function::Authorize, "/users/authorize"),
    (Function::OAuthCallback, "/users/oauth/callback"),
    (Function::Courses, "/courses/flask-microservices"),
    (Function::Courses, "/config"),
    (Function::Accounts, "/users/me"),
    (Function::Purchases, "/purchases/pur_1"),
    (Function::Onboarding, "/users/me/stripe"),
    (Function::Memberships, "/sellers/usr_1/membership"),
    (Function::Memberships, "/subscriptions/mem_g246h2g3hhxkj4rc_01m8g3td60pf66w281"),
    (Function::Accounts, "/users/me/application"),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = [format!("{NOW}.").as_bytes(), body].concat();
    format!("t={NOW},v1={}", hex(hmac::sign(&key, &signed).as_ref()))
}

fn webhook_event(path: &str, body: &[u8], signature: &str) -> Value {
    let mut event = event("POST", path, "", json!({"stripe-signature": signature}), &[]);
    event["body"] = STANDARD.encode(body).into();
    event["isBase64Encoded"] = true.into();
    event
}

/// A body, signed by Stripe for either endpoint, and unsigned: the first is processed, the second refused.
pub fn webhook_body(data: &[u8]) {
    for (path, secret) in ENDPOINTS {
        let status = on_stage(Function::Webhook, &webhook_event(path, data, &sign(secret, data)));
        assert!(matches!(status, Some(200 | 400 | 413 | 500 | 503)), "{status:?}");
        let unsigned = on_stage(Function::Webhook, &webhook_event(path, data, &sign("whsec_other", data)));
        assert!(matches!(unsigned, Some(400 | 413)), "{unsigned:?}");
    }
}

/// Arbitrary bytes as the signature, alone or with a valid time. None is accepted.
pub fn webhook_signature(data: &[u8]) {
    let body = br#"{"id":"evt_1","type":"some.thing","data":{"object":{}}}"#;
    let text = String::from_utf8_lossy(data);
    for header in [text.to_string(), format!("t={NOW},{text}"), format!("t={NOW},v1={text}"), format!("t={NOW},v1={}", hex(data))] {
        for (path, _) in ENDPOINTS {
            let status = on_stage(Function::Webhook, &webhook_event(path, body, &header));
            assert!(matches!(status, None | Some(400)), "{status:?}");
        }
    }
}

/// A cursor for every list, raw and encoded like a cursor.
pub fn cursor(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(data);
    for cursor in [text.as_ref(), &url_safe] {
        let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("cursor", cursor).finish();
        for (function, path) in LISTS {
            answers(function, &event("GET", path, &query, json!({"authorization": format!("Bearer {TOKEN}")}), &[]));
        }
    }
}

/// Cookies and a Bearer token.
pub fn cookie(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (one, two) = text.split_once(';').unwrap_or((&text, ""));
    for cookies in [vec![text.to_string()], vec![one.to_owned(), two.to_owned()], vec![format!("session={one}"), format!("oauth={two}")]] {
        let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
        for (function, path) in LISTS.into_iter().chain(OTHERS) {
            answers(function, &event("GET", path, "code=ac_1&state=s", json!({}), &cookies));
        }
    }
    for header in [text.to_string(), format!("Bearer {text}")] {
        answers(Function::Accounts, &event("DELETE", "/users/me", "", json!({"authorization": header, "origin": one}), &[]));
    }
}

/// Any query, to every route that reads one.
pub fn query(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for (function, path) in LISTS.into_iter().chain(OTHERS) {
        answers(function, &event("GET", path, &text, json!({"authorization": format!("Bearer {TOKEN}")}), &[]));
    }
}

/// Anything that may come back from the consent page, from Stripe or an attacker: the response always redirects to the storefront.
pub fn oauth_callback(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(3, '\n');
    let [code, state, browser] = std::array::from_fn(|_| parts.next().unwrap_or_default());
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("code", code).append_pair("state", state).finish();
    for query in [text.as_ref(), &query] {
        let cookies = [format!("oauth={browser}"), format!("session={TOKEN}")];
        let event = event("GET", "/users/oauth/callback", query, json!({}), &[&cookies[0], &cookies[1]]);
        let status = on_stage(Function::OAuthCallback, &event);
        assert!(matches!(status, None | Some(302)), "{status:?}");
    }
}

/// A well-formed session token.
const TOKEN: &str = "0000000000000000.0000000000000000000000000000000000000000000";

fn answers(function: Function, event: &Value) {
    // `None` for requests that API Gateway would refuse.
    if let Some(status) = on_stage(function, event) {
        assert!((200..600).contains(&status), "{status}");
    }
}

/// A query as it arrives, with characters that URIs do not allow percent-encoded. API Gateway refuses others, and `lambda_http` relies on that.
fn on_the_wire(query: &str) -> String {
    let stays = |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}".contains(&byte);
    query.bytes().map(|byte| if stays(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A request as API Gateway's HTTP API sends it, payload format 2.0.
fn event(method: &str, path: &str, query: &str, headers: Value, cookies: &[&str]) -> Value {
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": on_the_wire(query),
        "headers": headers, "cookies": cookies, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "0", "apiId": "fuzz", "domainName": "localhost", "domainPrefix": "localhost",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "fuzz"},
            "requestId": "fuzz", "routeKey": "$default", "stage": "$default",
            "time": "01/Nov/2026:08:00:00 +0000", "timeEpoch": 1_793_520_000_000_i64,
        },
    })
}
