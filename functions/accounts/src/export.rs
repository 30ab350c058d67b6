//! `GET /users/me/export`: what is stored of the signed-in user.

use std::collections::BTreeMap;

use lambda_http::http::HeaderValue;
use lambda_http::http::header::CONTENT_DISPOSITION;
use serde::Serialize;
use shared::app::App;
use shared::base::clock::written;
use shared::domain::error::Error;
use shared::domain::ids::{LessonId, UserId};
use shared::domain::membership::{Payment, Subscription};
use shared::domain::outline::{LessonText, Opened, Progress};
use shared::domain::purchase::{Purchase, Transition};
use shared::domain::user::{MadeAccount, MakingState, User};
use shared::http::sale_view::{SaleView, TotalsView};
use shared::http::staff_view::AuditView;
use shared::http::view::{
    AcceptedView, CourseView, MemberView, MembershipView, OutlineView, PurchaseView, SellerPageView, ShareView, SubscriptionView, UserView,
};
use shared::http::{Request, Response, identity, request, response};
use shared::store::courses::ContentOf;
use shared::store::debts::Debt;
use shared::store::page::{Cursor, Page, Paged};
use shared::store::sessions::SessionTimes;

use crate::applications::ApplicationView;

/// A part ends after this many bytes. Then at most one more page of a list is in it, which DynamoDB limits to 1 MB. So a part stays
/// well below the 6 MB of a Lambda function's answer, even with the escapes of two JSON texts in each other.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const PART: usize = 1_000_000;

const NOTE: &str = "Saved cards, receipts and identity documents are at Stripe, and not in this file. The hash of your password, sealed tokens, links that were \
    sent to you by mail, recorded requests to Stripe, and staff's reasons for a suspension are left out.";

/// The lists, in the order in which they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Sessions,
    Accounts,
    Courses,
    Contents,
    Outlines,
    Lessons,
    Progress,
    Opened,
    Shares,
    Purchases,
    Subscriptions,
    Sales,
    Members,
    Audit,
}

const SECTIONS: [Section; 14] = [
    Section::Sessions,
    Section::Accounts,
    Section::Courses,
    Section::Contents,
    Section::Outlines,
    Section::Lessons,
    Section::Progress,
    Section::Opened,
    Section::Shares,
    Section::Purchases,
    Section::Subscriptions,
    Section::Sales,
    Section::Members,
    Section::Audit,
];

/// One part of the export. The lists of all parts together are the export.
#[derive(Default, Serialize)]
struct Export {
    exported_at: String,
    note: &'static str,
    /// Only in the first part.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
    sessions: Vec<SessionView>,
    stripe_accounts: Vec<AccountView>,
    courses: Vec<CourseView>,
    contents: Vec<ContentView>,
    outlines: Vec<OutlineView>,
    lessons: Vec<LessonView>,
    progress: Vec<ProgressView>,
    opened: Vec<OpenedView>,
    shares: Vec<ShareView>,
    purchases: Vec<BoughtView>,
    subscriptions: Vec<JoinedView>,
    sales: Vec<SaleView>,
    members: Vec<MemberView>,
    audit: Vec<AuditView>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Profile {
    user: UserView,
    /// The user's Stripe customers, by connected account.
    stripe_customers: BTreeMap<String, String>,
    cards_declined_at: Vec<i64>,
    accepted_terms: Vec<AcceptedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    membership: Option<MembershipView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<SellerPageView>,
    former_handles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<ApplicationView>,
    totals: Vec<TotalsView>,
    debts: Vec<Debt>,
}

#[derive(Serialize)]
struct SessionView {
    begun_at: String,
    expires_at: String,
    password_entered_at: Option<String>,
}

impl From<SessionTimes> for SessionView {
    fn from(times: SessionTimes) -> Self {
        Self {
            begun_at: written(times.begun_at),
            expires_at: written(times.expires_at),
            password_entered_at: times.password_at.map(written),
        }
    }
}

/// An account that the platform created for a seller.
#[derive(Serialize)]
struct AccountView {
    r#type: &'static str,
    country: String,
    account_id: Option<String>,
    started_at: String,
}

impl From<MadeAccount> for AccountView {
    fn from(made: MadeAccount) -> Self {
        Self {
            r#type: made.account_type.as_str(),
            country: made.country,
            account_id: match made.state {
                MakingState::Made { account_id } => Some(account_id),
                MakingState::Asked | MakingState::Refused => None,
            },
            started_at: written(made.started_at),
        }
    }
}

#[derive(Serialize)]
struct ContentView {
    course_id: String,
    content: String,
    updated_at: String,
}

impl From<ContentOf> for ContentView {
    fn from(of: ContentOf) -> Self {
        Self { course_id: of.course_id, content: of.content.markdown, updated_at: written(of.content.updated_at) }
    }
}

/// A lesson of the user's own course.
#[derive(Serialize)]
struct LessonView {
    course_id: String,
    lesson_id: LessonId,
    content: String,
    updated_at: String,
}

impl From<LessonText> for LessonView {
    fn from(text: LessonText) -> Self {
        Self {
            course_id: text.course_id.to_string(),
            lesson_id: text.lesson_id,
            content: text.markdown,
            updated_at: written(text.updated_at),
        }
    }
}

/// How far the user has got in a course.
#[derive(Serialize)]
struct ProgressView {
    course_id: String,
    done: Vec<LessonId>,
    last: Option<LessonId>,
    updated_at: String,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        Self {
            course_id: progress.course_id.to_string(),
            done: progress.done,
            last: progress.last,
            updated_at: written(progress.updated_at),
        }
    }
}

#[derive(Serialize)]
struct OpenedView {
    course_id: String,
    first_at: String,
    last_at: String,
    days: u32,
}

impl From<Opened> for OpenedView {
    fn from(opened: Opened) -> Self {
        Self {
            course_id: opened.course_id.to_string(),
            first_at: written(opened.first_at),
            last_at: written(opened.last_at),
            days: opened.days,
        }
    }
}

#[derive(Serialize)]
struct BoughtView {
    #[serde(flatten)]
    purchase: PurchaseView,
    history: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    at: String,
    attempt: u32,
    status: shared::domain::purchase::Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
}

impl From<Purchase> for BoughtView {
    fn from(purchase: Purchase) -> Self {
        let step = |step: &Transition| Step { at: written(step.at), attempt: step.attempt, status: step.status, what: step.what.clone() };
        Self { purchase: PurchaseView::from(&purchase), history: purchase.history().iter().map(step).collect() }
    }
}

/// A subscription as its member sees it, with what they paid. What the seller and the platform keep of that is theirs.
#[derive(Serialize)]
struct JoinedView {
    #[serde(flatten)]
    subscription: SubscriptionView,
    payments: Vec<PaidView>,
}

/// Amounts are in the minor unit of the subscription's currency.
#[derive(Serialize)]
struct PaidView {
    invoice: String,
    paid_until: Option<String>,
    amount: i64,
    refunded: i64,
    disputed: i64,
}

impl From<Subscription> for JoinedView {
    fn from(subscription: Subscription) -> Self {
        let paid = |payment: &Payment| PaidView {
            invoice: payment.invoice.clone(),
            paid_until: payment.period_end.map(written),
            amount: payment.amount,
            refunded: payment.refunded(),
            disputed: payment.disputed(),
        };
        Self { subscription: SubscriptionView::from(&subscription), payments: subscription.invoices().iter().map(paid).collect() }
    }
}

/// What is stored of the user, in parts of some megabytes at most: `?cursor=` continues where a part ended. The password must have been
/// entered within the last quarter of an hour, so that a stolen session is not enough.
///
/// Two trips to DynamoDB for the first part (session and user; offer, totals, application and page), and one for each list, of which there are fourteen. Shares
/// take two.
///
/// # Errors
/// [`Error::PasswordRequired`], [`Error::BadCursor`].
pub(crate) async fn export(app: &App, request: &Request) -> Result<Response, Error> {
    let user = identity::user_with_password(request, app).await?;
    let (mut at, mut after) = place(request)?;
    let mut export = Export { exported_at: written(app.clock.now()), note: NOTE, ..Export::default() };
    if at == 0 && after.is_none() {
        export.profile = Some(profile(app, &user).await?);
    }
    let mut size = 0;
    while let Some(section) = SECTIONS.get(at) {
        after = export.add(app, &user.id, *section, Page { limit: 100, after }, &mut size).await?;
        at += usize::from(after.is_none());
        if size > PART {
            break;
        }
    }
    export.next_cursor = (at < SECTIONS.len()).then(|| match &after {
        Some(after) => format!("{at}.{}", after.encode()),
        None => at.to_string(),
    });
    let mut response = response::json(200, &export);
    response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"my-data.json\""));
    Ok(response)
}

/// The index of the section to begin with, and the place in it.
fn place(request: &Request) -> Result<(usize, Option<Cursor>), Error> {
    let Some(text) = request::parameter(request, "cursor")? else { return Ok((0, None)) };
    let (section, after) = text.split_once('.').map_or((text.as_str(), None), |(section, after)| (section, Some(after)));
    let section = section.parse().ok().filter(|section| *section < SECTIONS.len()).ok_or(Error::BadCursor)?;
    Ok((section, after.map(|after| Cursor::decode(after).ok_or(Error::BadCursor)).transpose()?))
}

async fn profile(app: &App, user: &User) -> Result<Profile, Error> {
    let store = &app.store;
    let (offer, totals, application, page) =
        tokio::join!(store.offer(&user.id), store.totals_of(&user.id), store.application(&user.id), store.page_of(&user.id));
    let (totals, page) = (totals?, page?);
    Ok(Profile {
        user: UserView::from(user),
        stripe_customers: user.customers.clone(),
        cards_declined_at: user.declined_at.clone(),
        accepted_terms: user.accepted_terms.iter().map(AcceptedView::from).collect(),
        membership: offer?.map(|offer| MembershipView::new(offer, None)),
        former_handles: page.iter().flat_map(|page| page.former_handles.clone()).collect(),
        page: page.map(SellerPageView::from),
        application: application?.map(ApplicationView::from),
        totals: totals.by_currency.into_iter().map(|(currency, sums)| TotalsView::new(currency, sums)).collect(),
        debts: totals.debts,
    })
}

/// Adds a page of a list, and its size in bytes. Returns where the list continues.
fn keep<T, V: Serialize>(paged: Paged<T>, into: &mut Vec<V>, view: impl FnMut(T) -> V, size: &mut usize) -> Option<Cursor> {
    let views: Vec<V> = paged.items.into_iter().map(view).collect();
    *size += response::length(&views);
    into.extend(views);
    paged.next
}

impl Export {
    async fn add(&mut self, app: &App, user: &UserId, section: Section, page: Page, size: &mut usize) -> Result<Option<Cursor>, Error> {
        Ok(match section {
            Section::Sessions => keep(app.store.sessions_of(user, &page).await?, &mut self.sessions, SessionView::from, size),
            Section::Accounts => keep(app.store.made_accounts_of(user, &page).await?, &mut self.stripe_accounts, AccountView::from, size),
            Section::Courses => {
                let courses = app.store.all_courses_of(user, &page).await?;
                keep(courses, &mut self.courses, |course| CourseView::of_its_own(course, None), size)
            }
            Section::Contents => keep(app.store.contents_of(user, &page).await?, &mut self.contents, ContentView::from, size),
            Section::Outlines => {
                let outlines = app.store.outlines_of(user, &page).await?;
                keep(outlines, &mut self.outlines, |one| OutlineView::new(&one.course_id.clone(), Some(one)), size)
            }
            Section::Lessons => keep(app.store.lessons_of(user, &page).await?, &mut self.lessons, LessonView::from, size),
            Section::Progress => keep(app.store.progress_of(user, &page).await?, &mut self.progress, ProgressView::from, size),
            Section::Opened => keep(app.store.opened_by(user, &page).await?, &mut self.opened, OpenedView::from, size),
            Section::Shares => {
                let courses = app.store.shared_courses(user, &page).await?;
                keep(courses, &mut self.shares, |course| ShareView::new(course, user), size)
            }
            Section::Purchases => keep(app.store.purchases_of(user, &page).await?, &mut self.purchases, BoughtView::from, size),
            Section::Subscriptions => {
                let mine = app.store.subscriptions_of(user, &page).await?;
                keep(mine, &mut self.subscriptions, JoinedView::from, size)
            }
            Section::Sales => {
                let sales = app.store.sales_of(user, &page).await?;
                keep(sales, &mut self.sales, |purchase| SaleView::from(&purchase), size)
            }
            Section::Members => keep(app.store.members_of(user, &page).await?, &mut self.members, |one| MemberView::from(&one), size),
            Section::Audit => keep(app.store.audit_of(user, &page).await?, &mut self.audit, AuditView::for_user, size),
        })
    }
}
