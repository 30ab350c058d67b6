//! A function for the tests of the gateway. It does what the path says.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(answer)).await
}

async fn answer(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let event = event.payload;
    match event["rawPath"].as_str() {
        Some("/die") => std::process::exit(3),
        Some("/fail") => Err("it was asked to".into()),
        Some("/rubbish") => Ok(json!({"neither": "status nor body"})),
        Some("/meet") => {
            // Reports that it is working, and continues when told to.
            let place = event["headers"]["x-place"].as_str().ok_or("the rendezvous address is missing")?;
            let mut meeting = TcpStream::connect(place)?;
            meeting.write_all(b"w")?;
            meeting.read_exact(&mut [0])?;
            meeting.write_all(b"d")?;
            Ok(json!({"statusCode": 204}))
        }
        _ => Ok(json!({
            "statusCode": 201,
            "headers": {"content-type": "application/json", "x-process": std::process::id().to_string()},
            "cookies": ["a=1; HttpOnly", "b=2"],
            "body": event.to_string(),
        })),
    }
}
