"""The state that each request requires, and how to cause each event."""

import re

from client import Failed, admin, form, must, send
from world import World, find, identity

PREFIX = re.compile(r"([a-z]+)_")


def value(params, *names):
    return next((params[name] for name in names if name in params), None)


def is_missing(world, text):
    """Whether Stripe responded that the object does not exist."""
    return world.error.get("code") == "resource_missing" and f"'{text}'" in world.error.get("message", "")


def prepare(request, body):
    """Creates what the request needs."""
    world = World(request.get("stripe_account"), body if isinstance(body, dict) else {})
    path = request["path"]
    params = {**request.get("params", {}), **(request.get("query") or {})}
    for pattern, build in SCENES:
        found = re.fullmatch(pattern, f"{request['method']} {path}")
        if found:
            build(world, params, *found.groups())
            break
    else:
        raise Failed("no scene is known for it")
    busy(world)
    if any(find(world.body, lambda part: part.get("object") == "charge" and part.get("captured") and part["balance_transaction"] is None)):
        admin("POST", "settings", {"capture_delay": 60})
    return world


def nothing(world, params, *_):
    pass


def refused(world):
    return world.error.get("type") == "invalid_request_error"


# Accounts

def new_account(world, params):
    pass


def account(world, params, recorded, *rest):
    if world.error.get("code") == "account_invalid":
        return
    like = world.body if world.body.get("object") == "account" and not world.body.get("deleted") else {}
    if world.body.get("deleted"):
        world.made_account(recorded, {})
    else:
        made = world.seller(recorded, like)
        if (like.get("external_accounts") or {}).get("data"):
            world.bank(made)
        world.told(made, like)


def of_account(world, params, recorded, *rest):
    made = world.made_account(recorded, {"type": "custom"})
    seen = next(find(world.body, lambda part: part.get("object") == "person"), {"first_name": "Jane", "last_name": "Doe"})
    world.told(made, {"individual": seen})
    account = must("GET", f"/v1/accounts/{made}")
    for word in rest:
        world.named(word, account["individual"]["id"])


def busy(world):
    """Another request has locked the object."""
    if world.error.get("code") == "lock_timeout":
        admin("POST", "faults", {"times": 1, "fault": {"kind": "status", "status": 429, "code": "lock_timeout", "should_retry": True}})


def external(world, params, recorded, bank):
    made = world.made_account(recorded, {"type": "custom"})
    world.bank(made, bank)


def account_link(world, params):
    world.made_account(params["account"], {"type": "custom"})


def deauthorized(world, params):
    if world.body.get("error") != "invalid_client":
        world.made_account(params["stripe_user_id"], {"type": "standard"})


# Customers and cards

def customer(world, params, recorded, *rest):
    if not is_missing(world, recorded):
        world.customer(recorded, world.account, world.body if world.body.get("object") == "customer" else None)


def payment_method(world, params, recorded, *rest):
    if not is_missing(world, recorded):
        like = world.body if world.body.get("object") == "payment_method" else {}
        owner = like.get("customer")
        made = world.payment_method(recorded, world.account, world.customer(owner, world.account) if owner else None)
        if like.get("type", "card") != "card":
            raise Failed(f"the stand-in has no PaymentMethods of type {like['type']}")


def attached(world, params, recorded):
    buyer = world.customer(params.get("customer"), world.account)
    if is_missing(world, recorded):
        return
    already = "already been attached" in world.error.get("message", "")
    # To another customer, because attaching it to its own again changes nothing.
    world.payment_method(recorded, world.account, world.customer("cus_of_another", world.account) if already else None)


def cloned(world, params):
    if "payment_method" in params:
        owner = params.get("customer")
        world.payment_method(params["payment_method"], None, owner and world.customer(owner))


# Payments

def new_intent(world, params):
    buyer = params.get("customer")
    buyer = buyer and world.customer(buyer, world.account)
    for name in ("transfer_data[destination]", "on_behalf_of"):
        if name in params and not is_missing(world, params[name]):
            world.seller(params[name])
    method = params.get("payment_method")
    if not method:
        return
    if "platform-owned" in world.error.get("message", ""):
        world.payment_method(method)
        return
    if is_missing(world, method):
        return
    made = world.payment_method(method, world.account, buyer if world.attached(method) else None)
    if "previously used" in world.error.get("message", ""):
        must("POST", "/v1/payment_intents", form({"amount": 1000, "currency": "usd", "payment_method": made, "confirm": True, "allowed_payment_method_types": ["card"]}), world.account)


def seen_intent(world):
    if world.body.get("object") == "payment_intent":
        return world.body
    return next(find(world.error, lambda part: part.get("object") == "payment_intent"), None)


def intent(world, params, recorded, *rest):
    like = seen_intent(world)
    if like:
        world.intent(recorded, like, world.account)
    elif not is_missing(world, recorded) and "does not exist" not in world.error.get("message", "") and not refused(world):
        raise Failed("the recording does not show the PaymentIntent")


def confirmed(world, params, recorded):
    like = seen_intent(world)
    if not like:
        raise Failed("the recording does not show the PaymentIntent")
    world.intent(recorded, like, world.account, confirm=False)


def captured(world, params, recorded):
    like = {**seen_intent(world), "status": "requires_capture"}
    world.intent(recorded, like, world.account)


def canceled(world, params, recorded):
    like = seen_intent(world)
    world.intent(recorded, {**like, "status": "requires_payment_method"} if like["status"] == "canceled" else like, world.account)


def charge(world, params, recorded, *rest):
    like = world.body
    intent = like.get("payment_intent")
    if is_missing(world, recorded):
        return
    if isinstance(intent, dict) and intent.get("payment_details"):
        # It paid the first invoice of a subscription.
        items = {"data": [{"price": {"id": "price_of_the_charge", "unit_amount": like["amount"], "currency": like["currency"]}}]}
        made = world.subscription(None, {"customer": like["customer"], "items": items}, world.account)
        invoice = must("GET", f"/v1/subscriptions/{made}", None, world.account)["latest_invoice"]
        paid = must("GET", "/v1/invoice_payments", {"invoice": invoice}, world.account)["data"][0]["payment"]["payment_intent"]
        world.named(recorded, must("GET", f"/v1/payment_intents/{paid}", None, world.account)["latest_charge"])
        return
    world.charge(recorded, like, world.account)


def new_refund(world, params, recorded=None):
    source = recorded or value(params, "charge", "payment_intent")
    if source is None or is_missing(world, source):
        return
    amount = int(params.get("amount", world.body.get("amount") or 1000))
    left = re.search(r"unrefunded amount on charge \(\D*([\d.,]+)", world.error.get("message", ""))
    seen = world.body.get("charge")
    about = {"amount": amount, "currency": world.body.get("currency", "usd")}
    if isinstance(seen, dict):
        about = {**seen}
    if left:
        about["amount"] = round(float(left[1].replace(",", "")) * 100)
    if params.get("reverse_transfer") == "true":
        about["transfer_data"] = {"destination": "acct_of_the_transfer", "amount": None}
    if params.get("refund_application_fee") == "true":
        about["application_fee_amount"] = max(1, amount // 4)
    about = {**about, "amount_refunded": 0, "refunds": {}, "disputed": False}
    card = "pm_card_createDispute" if world.error.get("code") == "charge_disputed" else None
    intent = {**about, "status": "succeeded"}
    made = world.intent(None, intent, world.account, card)
    world.named(source, made["id"] if source.startswith("pi_") else made["latest_charge"])
    if world.error.get("code") == "charge_already_refunded":
        must("POST", "/v1/refunds", {"charge": made["latest_charge"]}, world.account)


def refund(world, params, recorded):
    world.refund(recorded, world.body, world.account)


def dispute(world, params, recorded, *rest):
    world.dispute(recorded, world.body, world.account)


def warned(world, params, recorded):
    charge = world.body["charge"]
    like = charge if isinstance(charge, dict) else {"amount": 1000, "currency": "usd"}
    made = world.charge(identity(charge), {**like, "amount_refunded": 0, "refunds": {}}, world.account)
    world.named(recorded, admin("POST", f"charges/{made}/fraud_warning", {"fraud_type": world.body["fraud_type"]})["id"])
    reason = "fraudulent" if (like.get("fraud_details") or {}).get("user_report") else None
    if like.get("amount_refunded"):
        must("POST", "/v1/refunds", form({"charge": made, "amount": like["amount_refunded"], "reason": reason}), world.account)


def answered(world, params, recorded):
    world.dispute(recorded, {**world.body, "status": "needs_response"}, world.account)


# Movements of money

def new_transfer(world, params):
    destination = params["destination"]
    if world.account:
        world.named(destination, world.platform)
    elif not is_missing(world, destination):
        world.seller(destination)
    amount, currency = int(params.get("amount", 1000)), params["currency"].lower()
    source = params.get("source_transaction")
    if source and not is_missing(world, source):
        about = {"amount": amount + 200, "currency": currency}
        world.charge(source, about)
    elif not source:
        world.funded(amount, currency, world.account)


def transfer(world, params, recorded):
    if world.body.get("source_transaction") and world.body.get("transfer_group", "").startswith("group_pi"):
        world.split(recorded, world.body)
    else:
        world.transfer(recorded, world.body, world.account)


def reversed_by_hand(world, params, recorded):
    currency = world.body.get("currency", "usd")
    like = {"amount": int(params.get("amount", world.body.get("amount", 1000))), "currency": currency, "destination": "acct_of_the_transfer"}
    if currency != "usd" or params.get("refund_application_fee"):
        world.split(recorded, like)
    else:
        world.transfer(recorded, like, world.account)


def application_fee(world, params, recorded):
    world.application_fee(recorded, world.body)


def balance(world, params):
    if world.account:
        world.bank(world.account)
    world.funded(10000, "usd", world.account)


def transaction(world, params, recorded):
    world.transaction(recorded, world.body, world.account)


def new_payout(world, params):
    bank = world.bank(world.account, params.get("destination"))
    if world.error.get("code") != "balance_insufficient":
        world.funded(int(params["amount"]), params["currency"], world.account)


def payout(world, params, recorded):
    world.payout(recorded, world.body, world.account)


# Billing and Checkout

def session(world, params):
    if "customer" in params:
        world.customer(params["customer"], world.account, {"email": "buyer@example.com"})
    for name, text in params.items():
        if re.fullmatch(r"line_items\[\d+\]\[price\]", name):
            world.price(text, {"unit_amount": world.body.get("amount_total", 1000), "currency": world.body.get("currency", "usd")}, world.account, once=params.get("mode") == "payment")


def new_subscription(world, params):
    world.subscriber(params["customer"], world.account, world.body)
    seen = {found["id"]: found for found in find(world.body, lambda part: part.get("object") == "price")}
    for name, text in params.items():
        if re.fullmatch(r"items\[\d+\]\[price\]", name) and not is_missing(world, text):
            world.price(text, seen.get(text), world.account)


def ended(world, params, recorded):
    world.subscription(recorded, {**world.body, "status": "active"}, world.account)


def subscription(world, params, recorded):
    world.subscription(recorded, world.body, world.account)


def invoice(world, params, recorded):
    world.invoice(recorded, world.body, world.account)


def new_invoice(world, params):
    buyer = world.customer(params["customer"], world.account, {"email": "buyer@example.com", "name": "A buyer"})
    for line in (world.body.get("lines") or {}).get("data", []):
        must("POST", "/v1/invoiceitems", form({"customer": buyer, "amount": line["amount"], "currency": line["currency"], "description": line["description"]}), world.account)


def invoice_payments(world, params):
    like = {"customer": "cus_of_the_invoice", "items": {"data": [{"price": {"id": "price_of_the_invoice"}}]}}
    made = world.subscription(None, like, world.account)
    paid = must("GET", "/v1/invoice_payments", {"status": "paid"}, world.account)["data"][0]
    world.named(params.get("payment[payment_intent]"), paid["payment"]["payment_intent"])
    world.named(params.get("invoice"), paid["invoice"])


def setup_intent(world, params, recorded):
    world.setup_intent(recorded, world.body, world.account)


def setup_confirmed(world, params, recorded):
    world.setup_intent(recorded, world.body, world.account, confirm=False)


def new_setup_intent(world, params):
    new_intent(world, params)


SCENES = [
    (r"POST /v1/accounts", new_account),
    (r"GET /v1/account", nothing),
    (r"(?:GET|DELETE|POST) /v1/accounts/([^/]+)", account),
    (r"\w+ /v1/accounts/([^/]+)/external_accounts/([^/]+)", external),
    (r"\w+ /v1/accounts/([^/]+)/persons/([^/]+)", of_account),
    (r"\w+ /v1/accounts/([^/]+)/(?:capabilities|persons|external_accounts|login_links|reject).*", of_account),
    (r"POST /v1/account_links", account_link),
    (r"POST /oauth/deauthorize", deauthorized),
    (r"POST /v1/customers", nothing),
    (r"\w+ /v1/customers/([^/]+)", customer),
    (r"POST /v1/payment_methods", cloned),
    (r"POST /v1/payment_methods/([^/]+)/attach", attached),
    (r"\w+ /v1/payment_methods/([^/]+)(?:/detach)?", payment_method),
    (r"POST /v1/payment_intents", new_intent),
    (r"POST /v1/payment_intents/([^/]+)/confirm", confirmed),
    (r"POST /v1/payment_intents/([^/]+)/capture", captured),
    (r"POST /v1/payment_intents/([^/]+)/cancel", canceled),
    (r"\w+ /v1/payment_intents/([^/]+)", intent),
    (r"POST /v1/setup_intents", new_setup_intent),
    (r"POST /v1/setup_intents/([^/]+)/confirm", setup_confirmed),
    (r"\w+ /v1/setup_intents/([^/]+)", setup_intent),
    (r"\w+ /v1/charges/([^/]+)", charge),
    (r"POST /v1/charges/([^/]+)/refunds?", new_refund),
    (r"POST /v1/refunds", new_refund),
    (r"\w+ /v1/refunds/([^/]+)", refund),
    (r"GET /v1/disputes/([^/]+)", dispute),
    (r"POST /v1/disputes/([^/]+)(?:/close)?", answered),
    (r"GET /v1/radar/early_fraud_warnings/([^/]+)", warned),
    (r"POST /v1/transfers", new_transfer),
    (r"POST /v1/transfers/([^/]+)/reversals", reversed_by_hand),
    (r"\w+ /v1/transfers/([^/]+)", transfer),
    (r"GET /v1/application_fees/([^/]+)", application_fee),
    (r"GET /v1/balance", balance),
    (r"GET /v1/balance_transactions/([^/]+)", transaction),
    (r"POST /v1/payouts", new_payout),
    (r"\w+ /v1/payouts/([^/]+)", payout),
    (r"POST /v1/checkout/sessions", session),
    (r"POST /v1/subscriptions", new_subscription),
    (r"DELETE /v1/subscriptions/([^/]+)", ended),
    (r"GET /v1/subscriptions/([^/]+)", subscription),
    (r"POST /v1/invoices", new_invoice),
    (r"GET /v1/invoices/([^/]+)", invoice),
    (r"GET /v1/invoice_payments", invoice_payments),
    # An empty list, or a request that is refused before anything is looked up.
    (r"GET /v1/\w+", nothing),
]


# Events

def event_of(recorded):
    """Causes an event of that type at the stand-in, about an object in that state."""
    like = recorded["data"]["object"]
    world = World(None, like)
    owner = recorded.get("account")
    owner = owner and world.seller(owner, like if like["object"] == "account" else None)
    world.account = owner
    kind = recorded["type"]
    made = BUILT.get(like["object"], lambda *_: None)(world, like, owner, kind)
    happen = HAPPENS.get(kind)
    if happen:
        happen(world, made, owner)
    found = newest(kind, owner or world.platform)
    if not found:
        raise Failed("the stand-in tells of nothing such")
    return found


def newest(kind, account):
    events = admin("GET", f"events?account={account}")["events"]
    for event in events:
        if event["type"] == kind:
            event.pop("deliveries")
            return event
    return None


def before(like, kind):
    """The object as it was before the event."""
    if kind == "payment_intent.canceled":
        return {**like, "status": "requires_payment_method"}
    return like


BUILT = {
    "account": lambda world, like, owner, kind: (world.bank(owner), world.told(owner, like), owner)[-1],
    "application": lambda world, like, owner, kind: owner,
    "bank_account": lambda world, like, owner, kind: owner,
    "charge": lambda world, like, owner, kind: world.charge(like["id"], like, owner),
    "checkout.session": lambda world, like, owner, kind: None,
    "customer": lambda world, like, owner, kind: world.customer(like["id"], owner, like),
    "dispute": lambda world, like, owner, kind: world.dispute(like["id"], {**like, "status": "warning_needs_response" if like["status"].startswith("warning") else "needs_response"}, owner),
    "invoice": lambda world, like, owner, kind: world.invoice(like["id"], like, owner),
    "payment_intent": lambda world, like, owner, kind: world.intent(like["id"], before(like, kind), owner)["id"],
    "payment_method": lambda world, like, owner, kind: world.payment_method(like["id"], owner, world.customer("cus_of_the_card", owner)),
    "payout": lambda world, like, owner, kind: world.payout(like["id"], like, owner),
    "refund": lambda world, like, owner, kind: world.refund(like["id"], like, owner),
    "setup_intent": lambda world, like, owner, kind: world.setup_intent(like["id"], like, owner),
    "subscription": lambda world, like, owner, kind: world.subscription(like["id"], like, owner),
    "transfer": lambda world, like, owner, kind: world.transfer(like["id"], like, owner),
}


def posting(path, params=None):
    return lambda world, made, owner: must("POST", path.format(made), params, owner)


def canceling(world, made, owner):
    must("POST", f"/v1/payment_intents/{made}/cancel", form({"cancellation_reason": world.body.get("cancellation_reason")}), owner)


def closed(world, made, owner):
    outcome = {"won": "won", "lost": "lost"}.get(world.body["status"])
    if outcome:
        admin("POST", f"disputes/{made}/close", {"outcome": outcome})
    else:
        # A full refund ends an inquiry.
        charge = must("GET", f"/v1/disputes/{made}", None, owner)["charge"]
        must("POST", "/v1/refunds", form({"charge": charge}), owner)


HAPPENS = {
    "account.application.deauthorized": lambda world, made, owner: admin("POST", f"accounts/{made}/deauthorize"),
    "account.external_account.created": lambda world, made, owner: must("POST", f"/v1/accounts/{made}/external_accounts", form({"external_account": {
        "object": "bank_account", "country": "US", "currency": "usd", "routing_number": "110000000", "account_number": "000123456789",
        "account_holder_name": "A seller", "account_holder_type": "individual"}})),
    "account.updated": lambda world, made, owner: must("POST", f"/v1/accounts/{made}", {"metadata[a]": "b"}),
    "charge.dispute.closed": closed,
    "charge.refund.updated": posting("/v1/refunds/{}", {"metadata[a]": "b"}),
    "charge.updated": posting("/v1/charges/{}", {"metadata[a]": "b"}),
    "customer.updated": posting("/v1/customers/{}", {"name": "Another"}),
    "payment_intent.canceled": canceling,
    "payment_method.detached": posting("/v1/payment_methods/{}/detach"),
    "refund.updated": posting("/v1/refunds/{}", {"metadata[a]": "b"}),
    "setup_intent.canceled": posting("/v1/setup_intents/{}/cancel"),
    "transfer.updated": posting("/v1/transfers/{}", {"metadata[a]": "b"}),
}
