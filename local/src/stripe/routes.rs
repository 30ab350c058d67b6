//! The endpoints of the API, each with the parameters that it knows.
//!
//! The lists follow Stripe's specification at the API version that the project pins. What the stand-in does not act on
//! is still taken, so that whatever is valid at Stripe is valid here; what Stripe does not know is refused.

use std::sync::LazyLock;

use hyper::Method;
use serde_json::Value;

use super::billing::{changes, clocks, invoice_endpoints, prices, products, subscription_endpoints, subscriptions};
use super::context::Context;
use super::errors::ApiError;
use super::params::{Params, Schema};
use super::{
    accounts, application_fees, balance, charges, checkout, customers, disputes, events, list, payment_intents, payment_methods, payouts,
    refunds, setup_intents, tokens, transfers, webhook_endpoints,
};

/// An endpoint: the request's context, the parts of the path that vary, the parameters.
pub(crate) type Handler = fn(&mut Context, &[&str], &Params) -> Result<Value, ApiError>;

/// One endpoint.
pub(crate) struct Route {
    method: Method,
    pattern: &'static str,
    pub(crate) handler: Handler,
    pub(crate) schema: Schema,
    /// Whether a publishable key may call it.
    pub(crate) browser: bool,
}

/// The endpoint of a path, and the parts of the path that its pattern leaves open.
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
                let bytes = percent_encoding::percent_decode_str(part);
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

/// Lets browsers call it with a publishable key.
fn browser(mut route: Route) -> Route {
    route.browser = true;
    route.schema = route.schema.with("key client_secret");
    route
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
        index("/v1/accounts/*/capabilities", "", accounts::capabilities),
        get("/v1/accounts/*/capabilities/*", "", accounts::capability),
        post("/v1/accounts/*/capabilities/*", "requested:b", accounts::update_capability),
        post("/v1/accounts/*/reject", "reason:(fraud|other|terms_of_service)", accounts::reject),
        post("/v1/accounts/*/login_links", "", accounts::links::login),
        post("/v1/account_links", accounts::links::CREATE, accounts::links::create),
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
        index("/v1/checkout/sessions", checkout::LIST, checkout::index),
        post("/v1/checkout/sessions", checkout::CREATE, checkout::create),
        get("/v1/checkout/sessions/*", "", checkout::retrieve),
        post("/v1/checkout/sessions/*", "metadata:m", checkout::update),
        post("/v1/checkout/sessions/*/expire", "", checkout::expire),
        index("/v1/checkout/sessions/*/line_items", "", checkout::line_items),
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
        index("/v1/subscriptions", subscription_endpoints::LIST, subscription_endpoints::index),
        post("/v1/subscriptions", subscriptions::CREATE, subscriptions::create),
        get("/v1/subscriptions/*", "", subscription_endpoints::retrieve),
        post("/v1/subscriptions/*", changes::UPDATE, changes::update),
        delete("/v1/subscriptions/*", subscription_endpoints::CANCEL, subscription_endpoints::cancel),
        index("/v1/invoices", invoice_endpoints::LIST, invoice_endpoints::index),
        post("/v1/invoices/create_preview", changes::PREVIEW, changes::preview),
        get("/v1/invoices/*", "", invoice_endpoints::retrieve),
        post("/v1/invoices/*", "auto_advance:b description metadata:m", invoice_endpoints::update),
        index("/v1/invoices/*/lines", "", invoice_endpoints::lines),
        post("/v1/invoices/*/finalize", "auto_advance:b", invoice_endpoints::finalize),
        post("/v1/invoices/*/pay", invoice_endpoints::PAY, invoice_endpoints::pay),
        post("/v1/invoices/*/void", "", invoice_endpoints::void),
        post("/v1/invoices/*/mark_uncollectible", "", invoice_endpoints::mark_uncollectible),
        index(
            "/v1/invoice_payments",
            "created:range invoice payment{payment_intent payment_record type} status:(canceled|open|paid)",
            invoice_endpoints::payments,
        ),
        get("/v1/invoice_payments/*", "", invoice_endpoints::payment),
        index("/v1/test_helpers/test_clocks", "", clocks::index),
        post("/v1/test_helpers/test_clocks", "frozen_time:i name", clocks::create),
        get("/v1/test_helpers/test_clocks/*", "", clocks::retrieve),
        post("/v1/test_helpers/test_clocks/*/advance", "frozen_time:i", clocks::advance),
        delete("/v1/test_helpers/test_clocks/*", "", clocks::delete),
        index("/v1/events", "created:range delivery_success:b type types[]", events::index),
        get("/v1/events/*", "", events::retrieve),
        index("/v1/webhook_endpoints", "", webhook_endpoints::index),
        post("/v1/webhook_endpoints", webhook_endpoints::CREATE, webhook_endpoints::create),
        get("/v1/webhook_endpoints/*", "", webhook_endpoints::retrieve),
        post("/v1/webhook_endpoints/*", webhook_endpoints::UPDATE, webhook_endpoints::update),
        delete("/v1/webhook_endpoints/*", "", webhook_endpoints::delete),
    ]
});
