//! Our objects as clients see them.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::course::Course;
use crate::ids::UserId;
use crate::money::Price;
use crate::purchase::{ChargeType, Failure, Purchase, Status};
use crate::user::{AccountType, User};

/// RFC 3339 in UTC.
fn written(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).expect("the year has four digits")
}

/// `user`
#[derive(Debug, Serialize)]
pub struct UserView {
    id: UserId,
    email: String,
    email_confirmed: bool,
    is_seller: bool,
    is_staff: bool,
    created_at: String,
    stripe: StripeView,
}

#[derive(Debug, Serialize)]
struct StripeView {
    connected: bool,
    account_id: Option<String>,
    account_type: Option<AccountType>,
    charges_enabled: bool,
    scope: Option<String>,
    livemode: Option<bool>,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        let link = user.stripe.as_ref();
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            email_confirmed: user.email_confirmed,
            is_seller: user.is_seller,
            is_staff: user.is_staff,
            created_at: written(user.created_at),
            stripe: StripeView {
                connected: link.is_some(),
                account_id: link.map(|link| link.account_id.clone()),
                account_type: link.map(|link| link.account_type),
                charges_enabled: link.is_some_and(|link| link.charges_enabled),
                scope: link.map(|link| link.scope.clone()),
                livemode: link.map(|link| link.livemode),
            },
        }
    }
}

/// `course`
#[derive(Debug, Serialize)]
pub struct CourseView {
    id: String,
    slug: String,
    title: String,
    description: String,
    price: Price,
    fee_percent: i64,
    seller: SellerView,
    published: bool,
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owned: Option<bool>,
}

#[derive(Debug, Serialize)]
struct SellerView {
    id: String,
}

impl CourseView {
    /// With `owned` where somebody is signed in.
    #[must_use]
    pub fn new(course: Course, owned: Option<bool>) -> Self {
        Self {
            id: course.id.to_string(),
            slug: course.slug,
            title: course.title,
            description: course.description,
            price: course.price,
            fee_percent: course.fee_percent.into(),
            seller: SellerView { id: course.seller_id.to_string() },
            published: course.published,
            created_at: written(course.created_at),
            updated_at: written(course.updated_at),
            owned,
        }
    }
}

/// `purchase`
#[derive(Debug, Serialize)]
pub struct PurchaseView {
    id: String,
    course_id: String,
    course_slug: String,
    course_title: String,
    status: Status,
    amount: i64,
    currency: &'static str,
    application_fee: i64,
    charge_type: ChargeType,
    refunded: i64,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    created_at: String,
    updated_at: String,
    paid_at: Option<String>,
}

impl From<&Purchase> for PurchaseView {
    fn from(purchase: &Purchase) -> Self {
        let attempt = purchase.attempt();
        Self {
            id: purchase.id.to_string(),
            course_id: purchase.course_id.to_string(),
            course_slug: purchase.course_slug.clone(),
            course_title: purchase.course_title.clone(),
            status: purchase.status,
            amount: purchase.amount,
            currency: purchase.currency.code(),
            application_fee: purchase.application_fee,
            charge_type: purchase.charge_type,
            refunded: purchase.refunded,
            attempts: attempt.number,
            failure: attempt.failure.clone().filter(|_| purchase.status == Status::Failed),
            created_at: written(purchase.created_at),
            updated_at: written(purchase.updated_at),
            paid_at: purchase.paid_at.map(written),
        }
    }
}

/// A line of `/sales`.
#[derive(Debug, Serialize)]
pub struct SaleView {
    purchase_id: String,
    course_id: String,
    course_title: String,
    status: Status,
    amount: i64,
    currency: &'static str,
    application_fee: i64,
    charge_type: ChargeType,
    refunded: i64,
    net: i64,
    created_at: String,
    paid_at: Option<String>,
}

impl From<&Purchase> for SaleView {
    fn from(purchase: &Purchase) -> Self {
        Self {
            purchase_id: purchase.id.to_string(),
            course_id: purchase.course_id.to_string(),
            course_title: purchase.course_title.clone(),
            status: purchase.status,
            amount: purchase.amount,
            currency: purchase.currency.code(),
            application_fee: purchase.application_fee,
            charge_type: purchase.charge_type,
            refunded: purchase.refunded,
            net: purchase.net(),
            created_at: written(purchase.created_at),
            paid_at: purchase.paid_at.map(written),
        }
    }
}
