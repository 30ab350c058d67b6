//! Mail in the tests: the table's stream, `notify`, and the SES that it uses.

use std::collections::HashMap;
use std::sync::Mutex;

use local::aws::{AwsStandIn, Mail, Mailbox};
use local::dynamo::Dynamo;
use local::dynamo::stream::Stream;
use local::proxy::Proxy;
use notify::{Answer, Mailer, Notify};
use serde_json::{Value, json};
use shared::app::App;

use super::World;

/// The function that sends mails, and the SES that receives them.
pub(crate) struct Post {
    notify: Notify,
    ses: AwsStandIn,
    /// In front of SES: counts calls and injects faults.
    proxy: Proxy,
    stream: Mutex<Stream>,
}

impl Post {
    pub(super) async fn start(app: &App, dynamo: &Dynamo) -> Self {
        let ses = local::aws::start(0, HashMap::new()).await.expect("a port is free");
        let proxy = local::proxy::start(ses.url()).await.expect("a port is free");
        let notify = Notify { app: app.clone(), mailer: Mailer::new(app, Some(proxy.url())) };
        let stream = dynamo.stream(&app.config.table_name).expect("the table has a stream");
        Self { notify, ses, proxy, stream: Mutex::new(stream) }
    }
}

impl World {
    /// The mails that arrived, and how to make SES fail.
    pub(crate) fn mailbox(&self) -> &Mailbox {
        self.post_office.ses.mailbox()
    }

    /// The proxy in front of SES.
    pub(crate) fn ses_proxy(&self) -> &Proxy {
        &self.post_office.proxy
    }

    /// The mails to an address, oldest first.
    pub(crate) fn mails_to(&self, address: &str) -> Vec<Mail> {
        self.mailbox().mails().into_iter().filter(|mail| mail.to == [address]).collect()
    }

    /// The stream's new mail records since the last call, as the filter for `notify` passes them.
    pub(crate) fn new_mails(&self) -> Vec<Value> {
        let records = self.post_office.stream.lock().expect("no test panics here").read().expect("the stream can be read");
        let is_mail = |record: &Value| {
            let pk = record.pointer("/dynamodb/Keys/pk/S").and_then(Value::as_str).expect("every item has a key");
            record["eventName"] == "INSERT" && pk.starts_with("MAIL#")
        };
        records.into_iter().filter(is_mail).collect()
    }

    /// Passes records to `notify`, as Lambda does.
    pub(crate) async fn notify(&self, records: &[Value]) -> Answer {
        let event = serde_json::from_value(json!({ "Records": records })).expect("it is an event");
        notify::handle(&self.post_office.notify, event).await.expect("only feedback fails as a whole")
    }

    /// Passes what SES tells EventBridge to `notify`. Returns whether it was recorded.
    pub(crate) async fn feedback(&self, event: &Value) -> bool {
        let event = serde_json::from_value(event.clone()).expect("it is an event");
        notify::handle(&self.post_office.notify, event).await.is_ok()
    }

    /// Passes the stream's new records to `notify`.
    pub(crate) async fn pump(&self) {
        let answer = self.notify(&self.new_mails()).await;
        assert_eq!(answer, Answer::default(), "every record is taken on");
    }

    /// What the schedule runs once a minute.
    pub(crate) async fn sweep(&self) {
        let event = serde_json::from_value(json!({ "sweep": true })).expect("it is an event");
        notify::handle(&self.post_office.notify, event).await.expect("only feedback fails as a whole");
    }
}

/// The token after the `#` in a mail's link.
#[track_caller]
pub(crate) fn token_in(mail: &Mail) -> String {
    let link = mail.text.lines().find(|line| line.starts_with("http") && line.contains('#'));
    let token = link.and_then(|link| link.split_once('#')).unwrap_or_else(|| panic!("no link with a token in {}", mail.text)).1.to_owned();
    assert!(mail.html.contains(&token), "both parts have the link");
    token
}
