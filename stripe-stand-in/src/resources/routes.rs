//! The endpoints of the API, with their parameters.
//!
//! The lists follow Stripe's specification at the API version that the project pins. Parameters without effect in the
//! stand-in are accepted, so that everything valid at Stripe is valid here. Parameters unknown to Stripe are refused.

use std::sync::LazyLock;

use hyper::Method;
use serde_json::Value;

use crate::events::context::Context;
use crate::resources::account_links;
use crate::resources::account_sessions;
use crate::resources::accounts;
use crate::resources::application_fees;
use crate::resources::balance;
use crate::resources::charges;
use crate::resources::checkout_sessions;
use crate::resources::coupons;
use crate::resources::customers;
use crate::resources::disputes;
use crate::resources::event_destinations;
use crate::resources::events;
use crate::resources::external_accounts;
use crate::resources::invoice_items;
use crate::resources::invoices;
use crate::resources::list;
use crate::resources::new_checkout_session;
use crate::resources::payment_intents;
use crate::resources::payment_methods;
use crate::resources::payouts;
use crate::resources::persons;
use crate::resources::prices;
use crate::resources::products;
use crate::resources::radar;
use crate::resources::refunds;
use crate::resources::setup_intents;
use crate::resources::subscriptions;
use crate::resources::test_clocks;
use crate::resources::tokens;
use crate::resources::transfers;
use crate::resources::v2_account_links;
use crate::resources::v2_accounts;
use crate::resources::webhook_endpoints;
use crate::words::errors::ApiError;
use crate::words::params::{Params, Schema};

/// A handler gets the request's context, the variable parts of the path, and the parameters.
pub(crate) type Handler = fn(&mut Context, &[&str], &Params) -> Result<Value, ApiError>;

/// One endpoint.
pub(crate) struct Route {
    method: Method,
    pub(crate) pattern: &'static str,
    pub(crate) handler: Handler,
    pub(crate) schema: Schema,
    /// Whether a publishable key may call it.
    pub(crate) browser: bool,
}

/// The endpoint of a path, and the variable parts of the path.
pub(crate) fn find(method: &Method, path: &str) -> Option<(&'static Route, Vec<String>)> {
    ROUTES.iter().filter(|route| route.method == *method).find_map(|route| Some((route, matched(route.pattern, path)?)))
}

fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut args = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(args),
            (Some("*"), Some(part)) if !part.is_empty() => {
                // A plus means a space here too.
                let part = part.replace('+', " ");
                let bytes = percent_encoding::percent_decode_str(&part);
                args.push(bytes.decode_utf8_lossy().into_owned());
            }
            (Some(a), Some(b)) if a == b => {}
            _ => return None,
        }
    }
}

fn get(pattern: &'static str, params: &str, handler: Handler) -> Route {
    route(Method::GET, pattern, &format!("expand[] {params}"), handler)
}

fn index(pattern: &'static str, params: &str, handler: Handler) -> Route {
    route(Method::GET, pattern, &format!("{} {params}", list::PARAMS), handler)
}

fn post(pattern: &'static str, params: &str, handler: Handler) -> Route {
    route(Method::POST, pattern, &format!("expand[] {params}"), handler)
}

fn delete(pattern: &'static str, params: &str, handler: Handler) -> Route {
    route(Method::DELETE, pattern, &format!("expand[] {params}"), handler)
}

fn route(method: Method, pattern: &'static str, params: &str, handler: Handler) -> Route {
    Route { method, pattern, handler, schema: Schema::parse(params), browser: false }
}

/// Lets browsers call an endpoint with a publishable key.
fn browser(mut route: Route) -> Route {
    route.browser = true;
    route.schema = route.schema.with("key client_secret");
    route
}

/// An endpoint of `/v2`, where nothing can be expanded.
fn v2(method: Method, pattern: &'static str, params: &str, handler: Handler) -> Route {
    route(method, pattern, params, handler)
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let pi = payment_intents::CONFIRM;
    vec![
        get("/v1/balance", "", balance::retrieve),
        index("/v1/balance_transactions", "created:range currency payout source type", balance::index),
        get("/v1/balance_transactions/*", "", balance::retrieve_transaction),
        index("/v1/payouts", "arrival_date:range created:range destination status", payouts::index),
        post("/v1/payouts", payouts::CREATE, payouts::create),
        get("/v1/payouts/*", "", payouts::retrieve),
        post("/v1/payouts/*", "metadata:m", payouts::update),
        post("/v1/payouts/*/cancel", "", payouts::cancel),
        get("/v1/account", "", accounts::retrieve_own),
        index("/v1/accounts", "created:range", accounts::index),
        post("/v1/accounts", accounts::CREATE, accounts::create),
        get("/v1/accounts/*", "", accounts::retrieve),
        post("/v1/accounts/*", accounts::UPDATE, accounts::update),
        delete("/v1/accounts/*", "", accounts::delete),
        index("/v1/accounts/*/external_accounts", "object", external_accounts::index),
        post("/v1/accounts/*/external_accounts", external_accounts::CREATE, external_accounts::create),
        get("/v1/accounts/*/external_accounts/*", "", external_accounts::retrieve),
        post("/v1/accounts/*/external_accounts/*", external_accounts::UPDATE, external_accounts::update),
        delete("/v1/accounts/*/external_accounts/*", "", external_accounts::delete),
        index("/v1/accounts/*/persons", "relationship:any", persons::index),
        get("/v1/accounts/*/persons/*", "", persons::retrieve),
        post("/v1/accounts/*/persons/*", persons::UPDATE, persons::update),
        index("/v1/accounts/*/capabilities", "", accounts::capabilities),
        get("/v1/accounts/*/capabilities/*", "", accounts::capability),
        post("/v1/accounts/*/capabilities/*", "requested:b", accounts::update_capability),
        post("/v1/accounts/*/reject", "reason:(fraud|other|terms_of_service)", accounts::reject),
        post("/v1/accounts/*/login_links", "", account_links::login),
        post("/v1/account_links", account_links::CREATE, account_links::create),
        post("/v1/account_sessions", &account_sessions::fields(), account_sessions::create),
        index("/v1/customers", "created:range email test_clock", customers::index),
        post("/v1/customers", customers::CREATE, customers::create),
        get("/v1/customers/search", "limit:i page query", customers::search),
        get("/v1/customers/*", "", customers::retrieve),
        post("/v1/customers/*", customers::UPDATE, customers::update),
        delete("/v1/customers/*", "", customers::delete),
        index("/v1/customers/*/payment_methods", "allow_redisplay type", customers::payment_methods),
        get("/v1/customers/*/payment_methods/*", "", customers::payment_method),
        browser(post("/v1/tokens", tokens::CREATE, tokens::create)),
        get("/v1/tokens/*", "", tokens::retrieve),
        index("/v1/payment_methods", "allow_redisplay customer customer_account type", payment_methods::index),
        browser(post("/v1/payment_methods", payment_methods::CREATE, payment_methods::create)),
        get("/v1/payment_methods/*", "", payment_methods::retrieve),
        post("/v1/payment_methods/*", payment_methods::UPDATE, payment_methods::update),
        post("/v1/payment_methods/*/attach", "customer customer_account", payment_methods::attach),
        post("/v1/payment_methods/*/detach", "", payment_methods::detach),
        index("/v1/payment_intents", "created:range customer customer_account", payment_intents::index),
        post("/v1/payment_intents", payment_intents::CREATE, payment_intents::create),
        browser(get("/v1/payment_intents/*", "", payment_intents::retrieve)),
        post("/v1/payment_intents/*", payment_intents::UPDATE, payment_intents::update),
        browser(post("/v1/payment_intents/*/confirm", pi, payment_intents::confirm)),
        post("/v1/payment_intents/*/capture", payment_intents::CAPTURE, payment_intents::capture),
        post("/v1/payment_intents/*/cancel", payment_intents::CANCEL, payment_intents::cancel),
        index("/v1/setup_intents", "attach_to_self:b created:range customer customer_account payment_method", setup_intents::index),
        post("/v1/setup_intents", setup_intents::CREATE, setup_intents::create),
        browser(get("/v1/setup_intents/*", "", setup_intents::retrieve)),
        post("/v1/setup_intents/*", setup_intents::UPDATE, setup_intents::update),
        browser(post("/v1/setup_intents/*/confirm", setup_intents::CONFIRM, setup_intents::confirm)),
        post("/v1/setup_intents/*/cancel", "cancellation_reason:(abandoned|duplicate|requested_by_customer)", setup_intents::cancel),
        index("/v1/charges", "created:range customer payment_intent transfer_group", charges::index),
        get("/v1/charges/*", "", charges::retrieve),
        post("/v1/charges/*", charges::UPDATE, charges::update),
        index("/v1/charges/*/refunds", "", refunds::of_charge_index),
        post("/v1/charges/*/refunds", refunds::OF_CHARGE, refunds::of_charge_create),
        index("/v1/application_fees", "charge created:range", application_fees::index),
        get("/v1/application_fees/*", "", application_fees::retrieve),
        index("/v1/application_fees/*/refunds", "", application_fees::refunds),
        post("/v1/application_fees/*/refunds", "amount:i metadata:m", application_fees::refund),
        get("/v1/application_fees/*/refunds/*", "", application_fees::retrieve_refund),
        index("/v1/transfers", "created:range destination transfer_group", transfers::index),
        post("/v1/transfers", transfers::CREATE, transfers::create),
        get("/v1/transfers/*", "", transfers::retrieve),
        post("/v1/transfers/*", "description metadata:m", transfers::update),
        index("/v1/transfers/*/reversals", "", transfers::reversals),
        post("/v1/transfers/*/reversals", transfers::REVERSE, transfers::reverse),
        get("/v1/transfers/*/reversals/*", "", transfers::retrieve_reversal),
        index("/v1/refunds", "charge created:range payment_intent", refunds::index),
        post("/v1/refunds", refunds::CREATE, refunds::create),
        get("/v1/refunds/*", "", refunds::retrieve),
        post("/v1/refunds/*", "metadata:m", refunds::update),
        index("/v1/disputes", "charge created:range payment_intent", disputes::index),
        get("/v1/disputes/*", "", disputes::retrieve),
        post("/v1/disputes/*", disputes::UPDATE, disputes::update),
        post("/v1/disputes/*/close", "", disputes::concede),
        index("/v1/radar/early_fraud_warnings", "charge created:range payment_intent", radar::warnings),
        get("/v1/radar/early_fraud_warnings/*", "", radar::warning),
        index("/v1/reviews", "created:range", radar::reviews),
        get("/v1/reviews/*", "", radar::review),
        post("/v1/reviews/*/approve", "", radar::approve),
        index("/v1/checkout/sessions", checkout_sessions::LIST, checkout_sessions::index),
        post("/v1/checkout/sessions", new_checkout_session::CREATE, new_checkout_session::create),
        get("/v1/checkout/sessions/*", "", checkout_sessions::retrieve),
        post("/v1/checkout/sessions/*", "metadata:m", checkout_sessions::update),
        post("/v1/checkout/sessions/*/expire", "", checkout_sessions::expire),
        index("/v1/checkout/sessions/*/line_items", "", checkout_sessions::line_items),
        index("/v1/coupons", "created:range", coupons::index),
        post("/v1/coupons", coupons::CREATE, coupons::create),
        get("/v1/coupons/*", "", coupons::retrieve),
        delete("/v1/coupons/*", "", coupons::delete),
        index("/v1/promotion_codes", "active:b code coupon created:range customer customer_account", coupons::codes),
        post("/v1/promotion_codes", coupons::CREATE_CODE, coupons::create_code),
        get("/v1/promotion_codes/*", "", coupons::retrieve_code),
        post("/v1/promotion_codes/*", "active:b metadata:m restrictions:any", coupons::update_code),
        index("/v1/products", "active:b created:range ids[] shippable:b type url", products::index),
        post("/v1/products", products::CREATE, products::create),
        get("/v1/products/*", "", products::retrieve),
        post("/v1/products/*", products::UPDATE, products::update),
        index(
            "/v1/prices",
            "active:b created:range currency lookup_keys[] product recurring{interval meter usage_type} type:(one_time|recurring)",
            prices::index,
        ),
        post("/v1/prices", prices::CREATE, prices::create),
        get("/v1/prices/*", "", prices::retrieve),
        post("/v1/prices/*", prices::UPDATE, prices::update),
        index("/v1/subscriptions", subscriptions::LIST, subscriptions::index),
        post("/v1/subscriptions", subscriptions::CREATE, subscriptions::create),
        get("/v1/subscriptions/*", "", subscriptions::retrieve),
        post("/v1/subscriptions/*", subscriptions::UPDATE, subscriptions::update),
        delete("/v1/subscriptions/*", subscriptions::CANCEL, subscriptions::cancel),
        index("/v1/invoiceitems", "created:range customer invoice pending:b", invoice_items::index),
        post("/v1/invoiceitems", invoice_items::CREATE, invoice_items::create),
        get("/v1/invoiceitems/*", "", invoice_items::retrieve),
        delete("/v1/invoiceitems/*", "", invoice_items::delete),
        index("/v1/invoices", invoices::LIST, invoices::index),
        post("/v1/invoices", invoice_items::INVOICE, invoice_items::create_invoice),
        post("/v1/invoices/create_preview", invoices::PREVIEW, invoices::preview),
        get("/v1/invoices/*", "", invoices::retrieve),
        post("/v1/invoices/*", "auto_advance:b description metadata:m", invoices::update),
        index("/v1/invoices/*/lines", "", invoices::lines),
        post("/v1/invoices/*/finalize", "auto_advance:b", invoices::finalize),
        post("/v1/invoices/*/pay", invoices::PAY, invoices::pay),
        post("/v1/invoices/*/attach_payment", "payment_intent", invoices::attach_payment),
        post("/v1/invoices/*/void", "", invoices::void),
        post("/v1/invoices/*/mark_uncollectible", "", invoices::mark_uncollectible),
        index(
            "/v1/invoice_payments",
            "created:range invoice payment{payment_intent payment_record type} status:(canceled|open|paid)",
            invoices::payments,
        ),
        get("/v1/invoice_payments/*", "", invoices::payment),
        index("/v1/test_helpers/test_clocks", "", test_clocks::index),
        post("/v1/test_helpers/test_clocks", "frozen_time:i name", test_clocks::create),
        get("/v1/test_helpers/test_clocks/*", "", test_clocks::retrieve),
        post("/v1/test_helpers/test_clocks/*/advance", "frozen_time:i", test_clocks::advance),
        delete("/v1/test_helpers/test_clocks/*", "", test_clocks::delete),
        index("/v1/events", "created:range delivery_success:b type types[]", events::index),
        get("/v1/events/*", "", events::retrieve),
        index("/v1/webhook_endpoints", "", webhook_endpoints::index),
        post("/v1/webhook_endpoints", webhook_endpoints::CREATE, webhook_endpoints::create),
        get("/v1/webhook_endpoints/*", "", webhook_endpoints::retrieve),
        post("/v1/webhook_endpoints/*", webhook_endpoints::UPDATE, webhook_endpoints::update),
        delete("/v1/webhook_endpoints/*", "", webhook_endpoints::delete),
        v2(Method::GET, "/v2/core/accounts", v2_accounts::LIST, v2_accounts::index),
        v2(Method::POST, "/v2/core/accounts", &v2_accounts::create_fields(), v2_accounts::create),
        v2(Method::GET, "/v2/core/accounts/*", &v2_accounts::include_field(), v2_accounts::retrieve),
        v2(Method::POST, "/v2/core/accounts/*", &v2_accounts::update_fields(), v2_accounts::update),
        v2(Method::POST, "/v2/core/accounts/*/close", "applied_configurations[]:(customer|merchant|recipient)", v2_accounts::close),
        v2(Method::POST, "/v2/core/account_links", &v2_account_links::fields(), v2_account_links::create),
        v2(Method::GET, "/v2/core/events/*", "", events::retrieve_thin),
        v2(Method::GET, "/v2/core/event_destinations", &event_destinations::list_fields(), event_destinations::index),
        v2(Method::POST, "/v2/core/event_destinations", &event_destinations::create_fields(), event_destinations::create),
        v2(Method::GET, "/v2/core/event_destinations/*", event_destinations::RETRIEVE, event_destinations::retrieve),
        v2(Method::POST, "/v2/core/event_destinations/*", &event_destinations::update_fields(), event_destinations::update),
        v2(Method::DELETE, "/v2/core/event_destinations/*", "", event_destinations::delete),
        v2(Method::POST, "/v2/core/event_destinations/*/enable", event_destinations::RETRIEVE, event_destinations::enable),
        v2(Method::POST, "/v2/core/event_destinations/*/disable", event_destinations::RETRIEVE, event_destinations::disable),
        v2(Method::POST, "/v2/core/event_destinations/*/ping", "", event_destinations::ping),
    ]
});
