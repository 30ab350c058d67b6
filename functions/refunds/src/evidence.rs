//! Staff answer a dispute of a charge on the platform's account. The bank gets evidence once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::app::App;
use shared::domain::audit::{Actor, Deed, Entry};
use shared::domain::charging::NEVER_MADE;
use shared::domain::course::Course;
use shared::domain::error::Error;
use shared::domain::ids::UserId;
use shared::domain::outline::Opened;
use shared::domain::purchase::DisputeStatus;
use shared::domain::user::terms_of_use::accepted_before;
use shared::domain::user::{TermsOfUse, User};
use shared::http::staff_view::CaseView;
use shared::http::{Request, Response, identity, request, response};
use shared::store::Written;
use shared::store::disputes::{Case, Evidence, EvidenceState};
use shared::stripe::disputes::{DisputeFile, Given, LONGEST_TEXT, TEXTS, evidence};
use shared::stripe::error::StripeError;
use shared::stripe::objects::Dispute;
use shared::work::Services;
use time::{Duration, OffsetDateTime, UtcOffset};

/// How much of a course's description is in the draft, in characters.
const EXCERPT: usize = 2000;

/// How long evidence whose outcome is unknown may still be under way: longer than this function and Stripe take.
const UNDER_WAY: Duration = Duration::minutes(2);

/// How long a key is repeated; Stripe forgets it after a day. <https://docs.stripe.com/api/idempotent_requests>
const KEY_LIVES: Duration = Duration::hours(23);

#[derive(Serialize)]
struct Draft {
    dispute: CaseView,
    evidence: BTreeMap<&'static str, String>,
}

/// `GET /admin/disputes/{id}/evidence`: what Stripe has, completed with what is known here. Two trips to DynamoDB, the second
/// beside one call to Stripe.
pub(crate) async fn draft(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    identity::required(request, &app.config)?;
    let (staff, case) = tokio::join!(identity::staff(request, app), known(app, id));
    staff?;
    let case = platforms(app, case?)?;
    let buyer = async {
        match case.buyer() {
            Some(buyer) => app.store.user(&buyer).await,
            None => Ok(None),
        }
    };
    let course = async {
        match &case.course_id {
            Some(course) => app.store.course(course).await,
            None => Ok(None),
        }
    };
    let opened = async {
        match case.buyer() {
            Some(buyer) => app.store.opened_from(&buyer, &case.seller_id).await,
            None => Ok(Vec::new()),
        }
    };
    let (file, buyer, course, opened) = tokio::join!(services.stripe.dispute_file(id), buyer, course, opened);
    let file = file?.ok_or(Error::NotFound("dispute"))?;
    let (buyer, course, opened) = (buyer?, course?, opened?);
    let known = Known {
        buyer: buyer.as_ref(),
        course: course.as_ref(),
        opened: &opened,
        terms: app.config.terms_of_use.as_ref(),
        refund_policy: app.config.refund_policy_url.as_deref(),
    };
    let mut evidence = drafted(&case, &known, &file);
    evidence.extend(file.texts());
    Ok(response::json(200, &Draft { dispute: CaseView::from(now(case, &file.dispute)), evidence }))
}

/// What is known here.
struct Known<'a> {
    buyer: Option<&'a User>,
    course: Option<&'a Course>,
    /// When the buyer opened the seller's courses.
    opened: &'a [Opened],
    /// The terms of use that hold now.
    terms: Option<&'a TermsOfUse>,
    /// Where the refund policy can be read.
    refund_policy: Option<&'a str>,
}

/// A time as a bank reads it.
fn moment(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute())
}

/// When the buyer opened what is disputed, since they paid for it: the course, or any course of the membership.
fn access_log(case: &Case, opened: &[Opened]) -> String {
    let paid_at = case.paid_at.unwrap_or(case.opened_at);
    let is_it = |one: &&Opened| case.course_id.as_ref().is_none_or(|course| *course == one.course_id) && one.last_at >= paid_at;
    let lines = opened.iter().filter(is_it).map(|one| {
        let what =
            if case.course_id.is_some() { format!("\u{201c}{}\u{201d}", case.title) } else { format!("the course {}", one.course_id) };
        if one.first_at < paid_at {
            // The days before do not count, and how many there were since is not known.
            return format!("Logged in to their account, the customer opened the paid content of {what}, last at {}.", moment(one.last_at));
        }
        let (first, days) = (moment(one.first_at), if one.days == 1 { "one day".to_owned() } else { format!("{} days", one.days) });
        let last = if one.days == 1 { String::new() } else { format!(", and on the last of these days at {}", moment(one.last_at)) };
        format!("Logged in to their account, the customer opened the paid content of {what} on {days}, first at {first}{last}.")
    });
    let mut left = LONGEST_TEXT;
    let fits = |line: &String| {
        let length = line.chars().count() + 1;
        let fits = length <= left;
        left = left.saturating_sub(length);
        fits
    };
    lines.take_while(fits).collect::<Vec<_>>().join("\n")
}

/// Which terms of use the buyer had accepted when they paid.
fn accepted(case: &Case, known: &Known<'_>) -> Option<String> {
    let paid_at = case.paid_at.unwrap_or(case.opened_at);
    let accepted = accepted_before(&known.buyer?.accepted_terms, paid_at)?;
    let place = known.terms.filter(|terms| terms.version == accepted.version).map(|terms| format!(", {}", terms.url)).unwrap_or_default();
    Some(format!("At {} the customer accepted the terms of use, version {}{place}.", moment(accepted.at), accepted.version))
}

/// What is known here, as evidence.
fn drafted(case: &Case, known: &Known<'_>, file: &DisputeFile) -> BTreeMap<&'static str, String> {
    let Known { buyer, course, opened, .. } = *known;
    let mut texts: BTreeMap<&'static str, String> = TEXTS.into_iter().map(|name| (name, String::new())).collect();
    if let Some(buyer) = buyer {
        texts.insert("customer_email_address", buyer.email.clone());
    }
    if let Some(name) = file.buyers_name() {
        texts.insert("customer_name", name.to_owned());
    }
    if let Some(address) = file.buyers_address() {
        texts.insert("billing_address", address);
    }
    let what = if case.course_id.is_some() { "An online course" } else { "A membership with access to all of a seller's online courses" };
    let about: String = course.map(|course| course.description.chars().take(EXCERPT).collect()).unwrap_or_default();
    texts.insert("product_description", format!("{what}: \u{201c}{}\u{201d}. {about}", case.title).trim().to_owned());
    texts.insert("access_activity_log", access_log(case, opened));
    if let Some(url) = known.refund_policy {
        // How the customer was shown it: https://docs.stripe.com/api/disputes/evidence_object#evidence_object-refund_policy_disclosure
        let shown = format!(
            "The refund policy is at {url}. Before the customer paid, the course's page linked to it, next to the button that buys."
        );
        texts.insert("refund_policy_disclosure", shown);
    }
    let mut facts = Vec::new();
    if let Some(paid_at) = case.paid_at {
        texts.insert("service_date", paid_at.date().to_string());
        facts.push(format!("It was paid on {}, and could be used at once.", paid_at.date()));
    }
    if let Some(purchase) = &case.purchase_id {
        facts.push(format!("The purchase is on record as {purchase}."));
    }
    facts.extend(accepted(case, known));
    if let Some(url) = file.receipt_url() {
        facts.push(format!("The receipt: {url}"));
    }
    texts.insert("uncategorized_text", facts.join(" "));
    texts
}

/// The dispute with what Stripe says of it now.
fn now(case: Case, heard: &Dispute) -> Case {
    Case { status: heard.status.unwrap_or(case.status), due_by: heard.due_by(), ..case }
}

async fn known(app: &App, id: &str) -> Result<Option<Case>, Error> {
    let is_id = id.len() <= 255 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_id { Ok(app.store.dispute(id).await?) } else { Ok(None) }
}

/// A dispute that staff answer. The owner of the charged account answers it, and only its Dashboard or its own key may.
/// <https://docs.stripe.com/connect/disputes>
fn platforms(app: &App, case: Option<Case>) -> Result<Case, Error> {
    // A copied table contains other deployments' disputes.
    let is_own = |case: &Case| case.stack_id.as_ref().is_none_or(|own| *own == app.config.stack_id);
    let case = case.filter(is_own).ok_or(Error::NotFound("dispute"))?;
    if case.account.is_some() { Err(Error::DisputeIsTheSellers) } else { Ok(case) }
}

#[derive(Deserialize)]
struct Body {
    evidence: BTreeMap<String, String>,
    submit: bool,
}

/// The texts, by Stripe's names.
fn texts(body: Body) -> Result<BTreeMap<&'static str, String>, Error> {
    let mut texts = BTreeMap::new();
    for (given, text) in body.evidence {
        let name = TEXTS.into_iter().find(|name| *name == given);
        let name = name.ok_or_else(|| Error::InvalidRequest(format!("evidence.{given} is not a text that can be given here")))?;
        if text.chars().count() > LONGEST_TEXT {
            return Err(Error::InvalidRequest(format!("evidence.{name} must have at most {LONGEST_TEXT} characters")));
        }
        texts.insert(name, text);
    }
    if texts.values().all(|text| text.trim().is_empty()) {
        return Err(Error::InvalidRequest("evidence must have at least one text".to_owned()));
    }
    Ok(texts)
}

/// `POST /admin/disputes/{id}/evidence`: stages evidence at Stripe or, with `submit`, gives it to the bank, which takes it once.
///
/// Stripe is asked first what it has, so that evidence from its Dashboard counts. The request is then recorded, with its key and the digest of
/// what it says, and sent. If the response is lost, the same request finds the outcome: Stripe keeps the digest of the evidence that it took from us, so
/// that evidence from its Dashboard is not taken for ours. Three trips to DynamoDB, two calls to Stripe.
///
/// # Errors
/// See `POST /admin/disputes/{id}/evidence` in `openapi.yaml`.
pub(crate) async fn give(services: &Services, request: &Request, id: &str) -> Result<Response, Error> {
    let app = &services.app;
    identity::required(request, &app.config)?;
    let (staff, case) = tokio::join!(identity::staff_with_password(request, app), known(app, id));
    let (staff, case) = (staff?, platforms(app, case?)?);
    // The bank takes evidence once, so nobody gives it against themselves.
    if staff.id == case.seller_id || case.buyer().is_some_and(|buyer| buyer == staff.id) {
        return Err(Error::Forbidden);
    }
    let body: Body = request::json(request)?;
    let submit = body.submit;
    let texts = texts(body)?;
    let heard = services.stripe.dispute(id, None).await?.ok_or(Error::NotFound("dispute"))?;

    let at = app.clock.now();
    let Given { digest, body } = evidence(&texts, submit, heard.status.is_some_and(DisputeStatus::is_inquiry));
    let asked = Asked { submit, digest, by: staff.id, at };
    let earlier = case.evidence.clone();
    let repeated = earlier.clone().filter(|earlier| asked.repeats(earlier));
    // An earlier request that the bank has, or turns out to have.
    if let Some(earlier) = earlier.clone().filter(|earlier| earlier.submit && !earlier.state.is_refused() && was_submitted(&heard)) {
        if !is_ours(&earlier, &heard) {
            if at - earlier.at < UNDER_WAY {
                return Err(Error::Conflict);
            }
            refused(services, &case, earlier, ELSEWHERE).await?;
            return Err(Error::EvidenceSubmitted);
        }
        let is_same = earlier.digest == asked.digest;
        let answer = made(services, case, earlier, heard).await?;
        return if is_same { Ok(answer) } else { Err(Error::EvidenceSubmitted) };
    }
    answerable(&heard, at)?;
    let is_new = repeated.is_none();
    let mut given = repeated.unwrap_or_else(|| asked.evidence(earlier.as_ref()));
    if is_new {
        if earlier.as_ref().is_some_and(|earlier| earlier.state.is_asked() && at - earlier.at < UNDER_WAY) {
            return Err(Error::Conflict);
        }
        let deed = Deed::DisputeEvidence {
            dispute: case.id.clone(),
            purchase_id: case.purchase_id.clone(),
            subscription_id: case.subscription_id.clone(),
            submitted: submit,
        };
        let entry = entry(services, &case, &given.by, deed);
        if let Written::No(_) = app.store.write_evidence(id, earlier.as_ref(), &mut given, Some(&entry)).await? {
            return Err(Error::Conflict);
        }
    }
    match services.stripe.give_evidence(id, &body, &format!("evidence:{id}:{}", given.number)).await {
        Ok(heard) => made(services, case, given, heard).await,
        // It may have been sent before, so its outcome stays open.
        Err(error) if error.is_turned_away() => Err(error.into()),
        // The key replays a stored failure. Stripe's dispute shows whether the bank has it; if not, the next request has another key.
        Err(error @ StripeError::Failed { replayed: true, .. }) => {
            let heard = services.stripe.dispute(id, None).await?.filter(|heard| submit && was_submitted(heard) && is_ours(&given, heard));
            let Some(heard) = heard else {
                refused(services, &case, given, NEVER_MADE).await?;
                return Err(error.into());
            };
            made(services, case, given, heard).await
        }
        Err(StripeError::Refused { code, message, .. }) => {
            tracing::warn!(dispute = id, code, message, "Stripe refused evidence");
            refused(services, &case, given, &code).await?;
            Err(Error::EvidenceRefused(message))
        }
        Err(error) => Err(error.into()),
    }
}

/// What staff ask for.
struct Asked {
    submit: bool,
    digest: String,
    by: UserId,
    at: OffsetDateTime,
}

impl Asked {
    /// Whether it is the same request as an earlier one whose outcome is unknown, while its key lives.
    fn repeats(&self, earlier: &Evidence) -> bool {
        earlier.state.is_asked() && earlier.digest == self.digest && self.at - earlier.at < KEY_LIVES
    }

    fn evidence(&self, earlier: Option<&Evidence>) -> Evidence {
        Evidence {
            number: earlier.map_or(0, |earlier| earlier.number) + 1,
            version: 0,
            submit: self.submit,
            digest: self.digest.clone(),
            by: self.by.clone(),
            at: self.at,
            state: EvidenceState::Asked,
        }
    }
}

/// Whether the bank has evidence and decides.
fn was_submitted(heard: &Dispute) -> bool {
    match heard.status {
        Some(DisputeStatus::WarningUnderReview | DisputeStatus::UnderReview) => true,
        Some(DisputeStatus::WarningClosed | DisputeStatus::Won | DisputeStatus::Lost) => heard.submissions() > 0,
        Some(DisputeStatus::WarningNeedsResponse | DisputeStatus::NeedsResponse | DisputeStatus::Prevented) | None => false,
        Some(DisputeStatus::AppealNeedsResponse | DisputeStatus::AppealUnderReview) => false,
    }
}

/// The code of evidence that was overtaken: somebody submitted other evidence in Stripe's Dashboard.
const ELSEWHERE: &str = "submitted_elsewhere";

/// Whether what the bank has is this evidence.
fn is_ours(given: &Evidence, heard: &Dispute) -> bool {
    match given.state {
        EvidenceState::Asked => heard.has_taken(&given.digest),
        EvidenceState::Made => true,
        EvidenceState::Refused(_) => false,
    }
}

/// Whether Stripe takes evidence now. An inquiry that became a dispute takes it again.
fn answerable(heard: &Dispute, at: OffsetDateTime) -> Result<(), Error> {
    match heard.status {
        Some(DisputeStatus::WarningNeedsResponse | DisputeStatus::NeedsResponse) => match heard.due_by() {
            Some(due_by) if at <= due_by => Ok(()),
            Some(_) => Err(Error::DisputePastDue),
            None => Err(Error::DisputeNotAnswerable),
        },
        Some(DisputeStatus::WarningUnderReview | DisputeStatus::UnderReview) => Err(Error::EvidenceSubmitted),
        Some(DisputeStatus::WarningClosed | DisputeStatus::Prevented | DisputeStatus::Lost | DisputeStatus::Won) | None => {
            Err(Error::DisputeNotAnswerable)
        }
        Some(DisputeStatus::AppealNeedsResponse | DisputeStatus::AppealUnderReview) => Err(Error::DisputeNotAnswerable),
    }
}

/// Records that Stripe has the evidence. The dispute's new status comes with Stripe's event.
async fn made(services: &Services, case: Case, given: Evidence, heard: Dispute) -> Result<Response, Error> {
    let mut done = Evidence { state: EvidenceState::Made, ..given.clone() };
    if given.state.is_asked() {
        // If another request was first, it recorded the same outcome.
        let _by_another = services.app.store.write_evidence(&case.id, Some(&given), &mut done, None).await?;
        tracing::info!(dispute = case.id, submit = done.submit, "evidence given");
    }
    let case = Case { evidence: Some(done), ..now(case, &heard) };
    Ok(response::json(200, &CaseView::from(case)))
}

async fn refused(services: &Services, case: &Case, given: Evidence, code: &str) -> Result<(), Error> {
    let mut done = Evidence { state: EvidenceState::Refused(code.to_owned()), ..given.clone() };
    let deed = Deed::DisputeEvidenceRefused {
        dispute: case.id.clone(),
        purchase_id: case.purchase_id.clone(),
        subscription_id: case.subscription_id.clone(),
        code: code.to_owned(),
    };
    let entry = entry(services, case, &given.by, deed);
    let _by_another = services.app.store.write_evidence(&case.id, Some(&given), &mut done, Some(&entry)).await?;
    Ok(())
}

fn entry(services: &Services, case: &Case, by: &UserId, deed: Deed) -> Entry {
    let app = &services.app;
    Entry::new(&Actor::Staff { id: by.clone() }, &case.seller_id, deed, app.clock.now(), &app.entropy)
}
