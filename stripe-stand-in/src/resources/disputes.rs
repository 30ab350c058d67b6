//! Disputes: <https://docs.stripe.com/api/disputes>.

use serde_json::{Value, json};

use crate::engine::disputes::{self, EVIDENCE, Outcome};
use crate::events::context::Context;
use crate::resources::list;
use crate::words::errors::ApiError;
use crate::words::json::Fields;
use crate::words::kind::Kind;
use crate::words::params::Params;

/// Parameters of `POST /v1/disputes/{id}`.
pub(crate) const UPDATE: &str = "evidence:any metadata:m submit:b";

/// `GET /v1/disputes/{id}`
pub(crate) fn retrieve(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    ctx.fetch(Kind::Dispute, path[0], "dispute")
}

/// `POST /v1/disputes/{id}`: the evidence texts of Stripe's test mode decide
/// it (<https://docs.stripe.com/testing#disputes>), just after the response.
pub(crate) fn update(ctx: &mut Context, path: &[&str], params: &Params) -> Result<Value, ApiError> {
    let before = ctx.fetch(Kind::Dispute, path[0], "dispute")?;
    if disputes::is_closed(&before) {
        return Err(ApiError::invalid("This dispute is already closed"));
    }
    let mut evidence = before["evidence"].clone();
    for (name, value) in params.json("evidence").as_object().into_iter().flatten() {
        if !EVIDENCE.contains(&name.as_str()) {
            let param = format!("evidence[{name}]");
            return Err(ApiError::invalid(format!("Received unknown parameter: {param}")).code("parameter_unknown").param(&param));
        }
        evidence[name.as_str()] = value.clone();
    }
    let mut details = before["evidence_details"].clone();
    details["has_evidence"] = true.into();
    let text = evidence.text("uncategorized_text").to_owned();
    let mut after = json!({
        "evidence": evidence,
        "evidence_details": details,
        "metadata": params.merged_metadata(&before["metadata"]),
    });
    let submit = params.flag("submit").unwrap_or(true) && params.has("evidence");
    if submit {
        after["status"] = match before.text("status") {
            "warning_needs_response" | "warning_under_review" => "warning_under_review",
            "appeal_needs_response" | "appeal_under_review" => "appeal_under_review",
            _ => "under_review",
        }
        .into();
        after["evidence_details"]["submission_count"] = (details.int("submission_count") + 1).into();
    }
    ctx.set(Kind::Dispute, path[0], after);
    let account = ctx.account.clone();
    ctx.emit_change(&account, "charge.dispute.updated", Kind::Dispute, path[0], &before);
    let answer = ctx.fetch(Kind::Dispute, path[0], "dispute")?;
    match text.as_str() {
        "winning_evidence" if submit => drop(disputes::close(ctx, path[0], Outcome::Won)?),
        "losing_evidence" if submit => drop(disputes::close(ctx, path[0], Outcome::Lost)?),
        "escalate_inquiry_evidence" if submit => return disputes::escalate(ctx, path[0]),
        _ => {}
    }
    Ok(answer)
}

/// `POST /v1/disputes/{id}/close`: the seller accepts the dispute.
pub(crate) fn concede(ctx: &mut Context, path: &[&str], _: &Params) -> Result<Value, ApiError> {
    disputes::close(ctx, path[0], Outcome::Lost)
}

/// `GET /v1/disputes`
pub(crate) fn index(ctx: &mut Context, _: &[&str], params: &Params) -> Result<Value, ApiError> {
    let wanted =
        |row: &Value| ["charge", "payment_intent"].iter().all(|name| params.text(name).is_none_or(|wanted| row.text(name) == wanted));
    match params.text("charge") {
        Some(charge) => list::page_of_children(ctx, Kind::Dispute, charge, params, "/v1/disputes", wanted),
        None => list::page(ctx, Kind::Dispute, params, "/v1/disputes", wanted),
    }
}
