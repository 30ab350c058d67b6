//! DynamoDB's error responses, and responses defined by a test.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>

use std::io;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, header};
use serde_json::{Value, json};

/// 500, which clients retry.
pub(super) fn internal_server_error() -> Response<Full<Bytes>> {
    answer(
        StatusCode::INTERNAL_SERVER_ERROR,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#InternalServerError",
            "message": "Internal server error"
        }),
    )
}

/// 400, which clients retry more slowly.
pub(super) fn throttled() -> Response<Full<Bytes>> {
    answer(
        StatusCode::BAD_REQUEST,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "message": "The level of configured provisioned throughput for the table was exceeded. \
                        Consider increasing your provisioning level with the UpdateTable API."
        }),
    )
}

/// 400: another transaction holds the item. The answer lists one reason for each item of the transaction.
pub(super) fn transaction_conflict(operation: &str, request: &Value) -> Response<Full<Bytes>> {
    if operation != "TransactWriteItems" && operation != "TransactGetItems" {
        return answer(
            StatusCode::BAD_REQUEST,
            &json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
                "message": "Transaction is ongoing for the item"
            }),
        );
    }
    let items = request["TransactItems"].as_array().map_or(1, Vec::len);
    let code = |item| if item == 0 { "TransactionConflict" } else { "None" };
    let codes: Vec<&str> = (0..items).map(code).collect();
    let reasons: Vec<Value> = (0..items)
        .map(|item| match item {
            0 => json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}),
            _ => json!({"Code": "None"}),
        })
        .collect();
    answer(
        StatusCode::BAD_REQUEST,
        &json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": format!(
                "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                codes.join(", ")
            ),
            "CancellationReasons": reasons
        }),
    )
}

/// Any status and body. An error if the status is invalid.
pub(super) fn plain(status: u16, body: String) -> io::Result<Response<Full<Bytes>>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = StatusCode::from_u16(status).map_err(io::Error::other)?;
    Ok(answer)
}

fn answer(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/x-amz-json-1.0"));
    answer
}
