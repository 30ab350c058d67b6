"""Shared by the tests: the SDK, configured for the stand-in at STRIPE_URL, and helpers for its objects."""

import json
import os
import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe

URL = os.environ["STRIPE_URL"]
stripe.api_key = "sk_test_local"
stripe.api_base = URL
stripe.connect_api_base = URL
stripe.client_id = "ca_local"
stripe.max_network_retries = 2

# The same platform with the SDK's newer interface.
client = stripe.StripeClient(
    "sk_test_local", base_addresses={"api": URL, "connect": URL}, client_id="ca_local", max_network_retries=2
)


def admin(method, path, body=None):
    """Calls the stand-in's admin API."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_admin/{path}", data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@contextmanager
def fault(effect, times=1, **match):
    """Injects a fault and removes it afterwards, even if it was not used."""
    admin("POST", "faults", {"match": match, "times": times, "fault": effect})
    try:
        yield
    finally:
        admin("DELETE", "faults")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def answer_consent(url, decision="allow"):
    """Submits the consent page's form. Returns the redirect's query."""
    form = urllib.parse.urlencode({"decision": decision, "account": "new"}).encode()
    try:
        urllib.request.build_opener(NoRedirect).open(url, form)
    except urllib.error.HTTPError as redirect:
        location = urllib.parse.urlparse(redirect.headers["location"])
        return {name: values[0] for name, values in urllib.parse.parse_qs(location.query).items()}
    raise AssertionError("the consent page sends the browser on")


def authorize_url(scope="read_write", **more):
    return stripe.OAuth.authorize_url(
        scope=scope, redirect_uri="http://localhost:9000/users/oauth/callback", state="s", **more
    )


def connected(scope="read_write"):
    """Connects a new account through OAuth."""
    code = answer_consent(authorize_url(scope))["code"]
    return stripe.OAuth.token(grant_type="authorization_code", code=code).stripe_user_id


def pay(amount=5000, method="pm_card_visa", **more):
    """Creates and confirms a PaymentIntent in one call."""
    return stripe.PaymentIntent.create(**{
        "amount": amount, "currency": "usd", "payment_method": method, "confirm": True,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}, **more
    })


def net(account=None, **filters):
    """The sum of an account's balance transactions, read in small pages."""
    pages = stripe.BalanceTransaction.list(limit=2, stripe_account=account, **filters)
    return sum(one.net for one in pages.auto_paging_iter())


def held(account=None):
    """An account's balance, available and pending."""
    balance = stripe.Balance.retrieve(stripe_account=account)
    return sum(one.amount for one in [*balance.available, *balance.pending] if one.currency == "usd")


@contextmanager
def receiver(secret, connect=False):
    """A webhook endpoint, as a queue of its deliveries: (body, Stripe-Signature)."""
    received = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            received.put((self.rfile.read(int(self.headers["content-length"])), self.headers["stripe-signature"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        admin("PUT", "webhooks", {"endpoints": [{"url": url, "secret": secret, "connect": connect}]})
        try:
            yield received
        finally:
            admin("PUT", "webhooks", {"endpoints": []})
            server.shutdown()
