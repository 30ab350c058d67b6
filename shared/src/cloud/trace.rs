//! What a traced request waits for, as subsegments of its X-Ray trace: one for each try of a call to AWS or Stripe.
//!
//! Lambda sends the segment of the invocation itself. These are separate documents for the daemon that Lambda runs beside a function.
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html>

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Request;
use serde_json::{Value, json};
use url::Position;

use crate::base::entropy::Entropy;

/// Precedes each document.
const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

tokio::task_local! {
    static SEGMENT: Segment;
}

/// The segment of the present request.
#[derive(Clone, Debug)]
struct Segment {
    daemon: Daemon,
    trace_id: String,
    id: String,
}

/// X-Ray's daemon.
#[derive(Clone, Debug)]
pub struct Daemon(Arc<UdpSocket>);

impl Daemon {
    /// The one at `AWS_XRAY_DAEMON_ADDRESS`, which Lambda sets, if calls are to be traced: `TRACE_CALLS` is `on`.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let is_on = std::env::var("TRACE_CALLS").is_ok_and(|value| value == "on");
        is_on.then(|| std::env::var("AWS_XRAY_DAEMON_ADDRESS").ok()).flatten().and_then(|address| Self::at(&address))
    }

    /// The one at an address and port.
    #[must_use]
    pub fn at(address: &str) -> Option<Self> {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        // No request waits for its trace.
        socket.set_nonblocking(true).ok()?;
        socket.connect(address).ok()?;
        Some(Self(Arc::new(socket)))
    }

    /// Does a request's work, and reports its calls if X-Ray has chosen the request. `header` is Lambda's, such as
    /// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
    /// <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
    pub async fn watch<T>(&self, header: &str, work: impl Future<Output = T>) -> T {
        let field = |name: &str| header.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        match (field("Root"), field("Parent"), field("Sampled")) {
            (Some(root), Some(parent), Some("1")) => {
                let segment = Segment { daemon: self.clone(), trace_id: root.to_owned(), id: parent.to_owned() };
                SEGMENT.scope(segment, work).await
            }
            _ => work.await,
        }
    }
}

/// A call that was made and may have been answered. Reported when it is dropped, so one that is given up is, too.
#[derive(Debug)]
pub struct Call(Option<Begun>);

#[derive(Debug)]
struct Begun {
    segment: Segment,
    document: Value,
    status: Option<u16>,
}

impl Call {
    /// Begins a call, if the present request is traced.
    #[must_use]
    pub fn begin(request: &Request) -> Self {
        Self(SEGMENT.try_with(|segment| Begun { document: described(request), segment: segment.clone(), status: None }).ok())
    }

    /// Notes the status of the answer.
    pub fn answered(&mut self, status: u16) {
        if let Some(begun) = &mut self.0 {
            begun.status = Some(status);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Some(Begun { segment, mut document, status }) = self.0.take() else { return };
        document["id"] = format!("{:016x}", u64::from_be_bytes(Entropy::system().bytes())).into();
        document["trace_id"] = segment.trace_id.into();
        document["parent_id"] = segment.id.into();
        document["end_time"] = now().into();
        match status {
            Some(status) => {
                document["http"]["response"] = json!({ "status": status });
                document["throttle"] = (status == 429).into();
                document["error"] = (400..500).contains(&status).into();
                document["fault"] = (status >= 500).into();
            }
            None => document["fault"] = true.into(),
        }
        // If the daemon takes nothing now, the trace lacks this call.
        let _lost = segment.daemon.0.send(format!("{HEADER}{document}").as_bytes());
    }
}

/// What is called: an operation of AWS, or an address without its query, which may contain what somebody looks for.
/// <https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html#api-segmentdocuments-subsegments>
fn described(request: &Request) -> Value {
    // `DynamoDB_20120810.GetItem`, `secretsmanager.GetSecretValue`
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()?.split_once('.'));
    match target {
        Some((service, operation)) => json!({
            "name": service.split('_').next(),
            "type": "subsegment",
            "namespace": "aws",
            "start_time": now(),
            "aws": { "operation": operation },
        }),
        None => json!({
            "name": request.url().host_str().unwrap_or("unknown"),
            "type": "subsegment",
            "namespace": "remote",
            "start_time": now(),
            "http": { "request": { "method": request.method().as_str(), "url": &request.url()[..Position::AfterPath] } },
        }),
    }
}

/// In seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
