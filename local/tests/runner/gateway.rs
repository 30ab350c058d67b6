//! API Gateway and Lambda on this machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hyper::{Method, StatusCode};
use local::gateway::{self, Gateway, Options, Routes};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{Answer, send};

const MANIFEST: &str = r#"
[workspace.metadata.lambda.watch.router]
"/things" = [{ method = "GET", function = "one" }, { method = "POST", function = "one" }]
"/things/new" = [{ method = "GET", function = "one" }]
"/things/{id}" = [{ method = "GET", function = "one" }]
"/die" = [{ method = "POST", function = "one" }]
"/fail" = [{ method = "POST", function = "one" }]
"/rubbish" = [{ method = "POST", function = "one" }]
"/meet" = [{ method = "POST", function = "one" }]
"/missing" = [{ method = "GET", function = "two" }]
"/never-built" = [{ method = "GET", function = "never-built" }]
"#;

/// Cargo builds examples next to the tests.
fn function() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let function = tests.parent().unwrap().parent().unwrap().join("examples/function");
    assert!(function.is_file(), "run `cargo build -p local --examples` first; `cargo test -p local` does so itself");
    function
}

async fn start(concurrency: usize, timeout: Duration) -> Gateway {
    let options = Options {
        port: 0,
        routes: Routes::from_manifest(MANIFEST).unwrap(),
        functions: BTreeMap::from([("one".to_owned(), function()), ("never-built".to_owned(), "/nowhere/at/all".into())]),
        environment: BTreeMap::from([("TABLE_NAME".to_owned(), "courses".to_owned())]),
        origins: vec!["https://shop.example".to_owned()],
        concurrency,
        timeout,
    };
    gateway::start(options).await.unwrap()
}

const LONG: Duration = Duration::from_secs(60);

async fn post(gateway: &Gateway, path: &str) -> Answer {
    send(Method::POST, &format!("{}{path}", gateway.url()), &[], "{}").await.unwrap()
}

async fn get(gateway: &Gateway, path: &str) -> Answer {
    send(Method::GET, &format!("{}{path}", gateway.url()), &[], "").await.unwrap()
}

/// Where functions report that they are working.
struct Place {
    listener: TcpListener,
    address: String,
}

impl Place {
    async fn new() -> Place {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Place { listener, address }
    }

    /// A function that works and waits.
    async fn at_work(&self) -> TcpStream {
        let (mut meeting, _) = self.listener.accept().await.unwrap();
        assert_eq!(meeting.read_u8().await.unwrap(), b'w');
        meeting
    }

    fn request(&self, gateway: &Gateway) -> impl Future<Output = Option<Answer>> + Send + 'static {
        let (url, place) = (format!("{}/meet", gateway.url()), self.address.clone());
        async move { send(Method::POST, &url, &[("x-place", &place)], "{}").await }
    }
}

/// Lets a function continue, and waits until it reports its end.
async fn release(meeting: &mut TcpStream) {
    meeting.write_u8(b'g').await.unwrap();
    assert_eq!(meeting.read_u8().await.unwrap(), b'd');
}

#[tokio::test]
async fn a_request_is_an_event_of_an_http_api_and_its_answer_a_response() {
    let gateway = start(1, LONG).await;
    let url = format!("{}/things?q=a%20b&q=c&limit=2", gateway.url());
    let headers = [("content-type", "application/json"), ("cookie", "a=1; b=caf\u{e9}"), ("x-two", "1"), ("x-two", "2")];

    let answer = send(Method::POST, &url, &headers, r#"{"title":"é"}"#).await.unwrap();

    assert_eq!(answer.status, StatusCode::CREATED);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
    let event = answer.json();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "POST /things");
    assert_eq!(event["rawPath"], "/things");
    assert_eq!(event["rawQueryString"], "q=a%20b&q=c&limit=2");
    assert_eq!(event["queryStringParameters"], serde_json::json!({"q": "a b,c", "limit": "2"}));
    assert_eq!(event["cookies"], serde_json::json!(["a=1", "b=caf\u{e9}"]));
    assert_eq!(event["headers"]["x-two"], "1,2");
    assert_eq!(event["headers"]["cookie"], serde_json::Value::Null);
    assert_eq!(event["requestContext"]["http"]["method"], "POST");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["body"], r#"{"title":"é"}"#);
    assert_eq!(event["isBase64Encoded"], false);
}

#[tokio::test]
async fn literal_segments_take_precedence_over_parameters() {
    let gateway = start(1, LONG).await;
    assert_eq!(get(&gateway, "/things/new").await.json()["routeKey"], "GET /things/new");
    let event = get(&gateway, "/things/7").await.json();
    assert_eq!((&event["routeKey"], &event["pathParameters"]["id"]), (&"GET /things/{id}".into(), &"7".into()));
}

#[tokio::test]
async fn binary_bodies_arrive_in_base64() {
    let gateway = start(1, LONG).await;
    let url = format!("{}/things", gateway.url());
    let answer = send(Method::POST, &url, &[("content-type", "application/json")], vec![0xff, 0xfe]).await.unwrap();
    let event = answer.json();
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&"//4=".into(), &true.into()));
}

#[tokio::test]
async fn unknown_routes_and_functions_are_not_found() {
    let gateway = start(1, LONG).await;
    for path in ["/", "/thing", "/things/7/parts", "/things/", "/missing", "/meet"] {
        let answer = get(&gateway, path).await;
        assert_eq!((answer.status, answer.json()["message"].clone()), (StatusCode::NOT_FOUND, "Not Found".into()), "{path}");
    }
}

#[tokio::test]
async fn one_function_serves_requests_concurrently() {
    let (gateway, place) = (start(2, LONG).await, Place::new().await);
    let (first, second) = (tokio::spawn(place.request(&gateway)), tokio::spawn(place.request(&gateway)));
    // Both are working, so neither has answered.
    let (mut one, mut two) = (place.at_work().await, place.at_work().await);
    release(&mut one).await;
    release(&mut two).await;
    assert_eq!(first.await.unwrap().unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(second.await.unwrap().unwrap().status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_process_answers_one_request_after_the_other() {
    let gateway = start(2, LONG).await;
    let first = get(&gateway, "/things").await.header("x-process").to_owned();
    assert_eq!(get(&gateway, "/things").await.header("x-process"), first);
    gateway.renew();
    assert_ne!(get(&gateway, "/things").await.header("x-process"), first);
}

#[tokio::test]
async fn a_request_is_completed_after_its_client_disconnected() {
    let (gateway, place) = (start(1, LONG).await, Place::new().await);
    for _ in 0..60 {
        let request = tokio::spawn(place.request(&gateway));
        let mut meeting = place.at_work().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        release(&mut meeting).await;
    }
    assert_eq!(get(&gateway, "/things").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn hundreds_of_abandoned_requests_delay_nobody() {
    let (gateway, place) = (start(1, LONG).await, Place::new().await);
    let mut requests = JoinSet::new();
    for _ in 0..300 {
        requests.spawn(place.request(&gateway));
    }
    let mut first = place.at_work().await;
    requests.shutdown().await;
    let url = format!("{}/things", gateway.url());
    let late = tokio::spawn(async move { send(Method::GET, &url, &[], "").await });
    release(&mut first).await;
    // The requests that had arrived are finished, although nobody waits.
    let others = async {
        loop {
            release(&mut place.at_work().await).await;
        }
    };
    tokio::select! {
        answer = late => assert_eq!(answer.unwrap().unwrap().status, StatusCode::CREATED),
        () = others => unreachable!("it continues while there are any"),
    }
}

#[tokio::test]
async fn a_process_that_dies_is_replaced() {
    let gateway = start(1, LONG).await;
    for _ in 0..3 {
        let answer = post(&gateway, "/die").await;
        assert_eq!((answer.status, answer.json()["message"].clone()), (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error".into()));
        assert_eq!(get(&gateway, "/things").await.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_failure_is_a_500_without_details() {
    let gateway = start(1, LONG).await;
    assert_eq!(post(&gateway, "/fail").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(post(&gateway, "/rubbish").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get(&gateway, "/never-built").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get(&gateway, "/things").await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_request_that_takes_too_long_loses_its_process() {
    let (gateway, place) = (start(1, Duration::from_millis(300)).await, Place::new().await);
    let answer = place.request(&gateway).await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    let answer = get(&gateway, "/things").await;
    assert_eq!(answer.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_event_of_another_service_reaches_the_function_as_it_is() {
    let gateway = start(1, LONG).await;
    let answer = post(&gateway, "/2015-03-31/functions/one/invocations").await;
    assert_eq!((answer.status, answer.json()["statusCode"].clone()), (StatusCode::OK, 201.into()));
    assert_eq!(post(&gateway, "/2015-03-31/functions/two/invocations").await.status, StatusCode::NOT_FOUND);
    assert!(gateway.invoke("one", "{}".into()).await.is_ok());
    assert!(gateway.invoke("two", "{}".into()).await.is_err());
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_read_responses() {
    let gateway = start(1, LONG).await;
    let url = format!("{}/things", gateway.url());
    let preflight = |origin| {
        let (url, headers) = (url.clone(), [("origin", origin), ("access-control-request-method", "POST")]);
        async move { send(Method::OPTIONS, &url, &headers, "").await.unwrap() }
    };
    let allowed = preflight("https://shop.example").await;
    assert_eq!(allowed.status, StatusCode::NO_CONTENT);
    assert_eq!(allowed.header("access-control-allow-origin"), "https://shop.example");
    assert_eq!(allowed.header("access-control-allow-methods"), "DELETE,GET,PATCH,POST,PUT");
    assert_eq!(preflight("https://other.example").await.header("access-control-allow-origin"), "");

    let answer = send(Method::GET, &url, &[("origin", "https://shop.example")], "").await.unwrap();
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let answer = send(Method::GET, &url, &[("origin", "https://other.example")], "").await.unwrap();
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}
