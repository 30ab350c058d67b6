"""The official Python SDK, as its users write it, against the Stripe stand-in at STRIPE_URL."""

import json
import os
import threading
import unittest
import urllib.parse
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

import stripe

URL = os.environ["STRIPE_URL"]
stripe.api_key = "sk_test_local"
stripe.api_base = URL
stripe.connect_api_base = URL
stripe.max_network_retries = 2


def admin(method, path, body=None):
    """What the stand-in's admin API does."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{URL}/_admin/{path}", data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def consent():
    """Goes through the consent page and answers the code."""
    url = stripe.OAuth.authorize_url(
        client_id="ca_local", scope="read_write", redirect_uri="http://localhost:9000/users/oauth/callback", state="s"
    )
    form = urllib.parse.urlencode({"decision": "allow", "account": "new"}).encode()
    try:
        urllib.request.build_opener(NoRedirect).open(url, form)
    except urllib.error.HTTPError as redirect:
        location = urllib.parse.urlparse(redirect.headers["location"])
        return urllib.parse.parse_qs(location.query)["code"][0]
    raise AssertionError("the consent page sends the browser on")


def connected():
    """A new connected account."""
    return stripe.OAuth.token(grant_type="authorization_code", code=consent())["stripe_user_id"]


def pay(amount=5000, method="pm_card_visa", **more):
    return stripe.PaymentIntent.create(
        amount=amount, currency="usd", payment_method=method, confirm=True,
        automatic_payment_methods={"enabled": True, "allow_redirects": "never"}, **more
    )


class Accounts(unittest.TestCase):
    def test_oauth_gives_tokens_once(self):
        code = consent()
        token = stripe.OAuth.token(grant_type="authorization_code", code=code)
        self.assertTrue(token.stripe_user_id.startswith("acct_"))
        self.assertEqual((token.scope, token.livemode, token.token_type), ("read_write", False, "bearer"))
        self.assertTrue(token.refresh_token and token.stripe_publishable_key)
        with self.assertRaises(stripe.oauth_error.InvalidGrantError):
            stripe.OAuth.token(grant_type="authorization_code", code=code)

    def test_a_deauthorized_account_is_closed_to_the_platform(self):
        account = connected()
        self.assertTrue(stripe.Account.retrieve(account).charges_enabled)
        self.assertEqual(stripe.OAuth.deauthorize(client_id="ca_local", stripe_user_id=account).stripe_user_id, account)
        with self.assertRaises(stripe.PermissionError):
            stripe.Balance.retrieve(stripe_account=account)

    def test_accounts_do_not_see_each_other(self):
        one, two = connected(), connected()
        customer = stripe.Customer.create(email="a@example.com", stripe_account=one)
        self.assertEqual(stripe.Customer.retrieve(customer.id, stripe_account=one).email, "a@example.com")
        for account in (two, None):
            with self.assertRaises(stripe.InvalidRequestError) as caught:
                stripe.Customer.retrieve(customer.id, stripe_account=account)
            self.assertEqual((caught.exception.code, caught.exception.http_status), ("resource_missing", 404))


class Customers(unittest.TestCase):
    def test_a_customers_life(self):
        email = f"{uuid.uuid4()}@example.com"
        customer = stripe.Customer.create(email=email, metadata={"a": "1"})
        stripe.Customer.modify(customer.id, name="N", metadata={"a": "", "b": "2"})
        found = stripe.Customer.list(email=email).data
        self.assertEqual([(one.id, one.name, one.metadata.to_dict()) for one in found], [(customer.id, "N", {"b": "2"})])
        self.assertTrue(stripe.Customer.delete(customer.id).deleted)

    def test_pages_are_walked_without_a_gap(self):
        account = connected()
        made = [stripe.Customer.create(email=f"{n}@example.com", stripe_account=account).id for n in range(7)]
        walked = [one.id for one in stripe.Customer.list(limit=3, stripe_account=account).auto_paging_iter()]
        self.assertEqual(walked, made[::-1])

    def test_a_card_is_attached_and_cloned(self):
        account = connected()
        customer = stripe.Customer.create(email="b@example.com")
        method = stripe.PaymentMethod.create(type="card", card={"token": "tok_visa"})
        stripe.PaymentMethod.attach(method.id, customer=customer.id)
        self.assertEqual([one.id for one in stripe.PaymentMethod.list(customer=customer.id, type="card")], [method.id])
        clone = stripe.PaymentMethod.create(customer=customer.id, payment_method=method.id, stripe_account=account)
        self.assertEqual(pay(method=clone.id, application_fee_amount=100, stripe_account=account).status, "succeeded")


class Payments(unittest.TestCase):
    def test_a_destination_charge_and_its_refund_move_everybodys_balance(self):
        account = connected()
        payment = pay(transfer_data={"destination": account}, application_fee_amount=2500, expand=["latest_charge"])
        self.assertEqual((payment.status, payment.latest_charge.application_fee_amount), ("succeeded", 2500))
        transactions = stripe.BalanceTransaction.list(limit=1, stripe_account=account).auto_paging_iter()
        self.assertEqual(sum(one.net for one in transactions), 2500)
        refund = stripe.Refund.create(payment_intent=payment.id, reverse_transfer=True, refund_application_fee=True)
        self.assertEqual((refund.status, refund.amount), ("succeeded", 5000))
        transactions = stripe.BalanceTransaction.list(limit=2, stripe_account=account).auto_paging_iter()
        self.assertEqual(sum(one.net for one in transactions), 0)
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.Refund.create(payment_intent=payment.id)
        self.assertTrue(admin("GET", "books")["balanced"])

    def test_a_transfer_and_its_reversal(self):
        account = connected()
        charge = pay(8000, transfer_group="g").latest_charge
        transfer = stripe.Transfer.create(
            amount=3000, currency="usd", destination=account, source_transaction=charge, transfer_group="g"
        )
        self.assertEqual([one.id for one in stripe.Transfer.list(transfer_group="g", destination=account)], [transfer.id])
        self.assertTrue(admin("GET", "books")["balanced"])

    def test_a_decline_is_a_card_error(self):
        with self.assertRaises(stripe.CardError) as caught:
            pay(method="pm_card_visa_chargeDeclinedInsufficientFunds")
        error = caught.exception
        self.assertEqual((error.http_status, error.code, error.error.decline_code), (402, "card_declined", "insufficient_funds"))
        self.assertEqual(error.error.payment_intent.status, "requires_payment_method")
        self.assertTrue(error.request_id)

    def test_authentication_is_asked_for_and_can_be_canceled(self):
        payment = pay(method="pm_card_threeDSecure2Required")
        self.assertEqual((payment.status, payment.next_action.type), ("requires_action", "use_stripe_sdk"))
        self.assertEqual(stripe.PaymentIntent.cancel(payment.id).status, "canceled")

    def test_a_key_is_replayed_and_guards_its_parameters(self):
        key = str(uuid.uuid4())
        first = pay(idempotency_key=key)
        again = pay(idempotency_key=key)
        self.assertEqual(first.id, again.id)
        self.assertEqual(again.last_response.headers["idempotent-replayed"], "true")
        with self.assertRaises(stripe.IdempotencyError):
            pay(5001, idempotency_key=key)

    def test_the_sdks_own_retry_makes_one_charge(self):
        admin("POST", "faults", {"match": {"method": "POST", "path": "/v1/payment_intents"}, "fault": {"kind": "drop_after"}})
        group = str(uuid.uuid4())
        payment = pay(transfer_group=group)
        found = [one for one in stripe.PaymentIntent.list(limit=100).auto_paging_iter() if one.transfer_group == group]
        self.assertEqual([one.id for one in found], [payment.id])

    def test_wrong_requests_are_told_apart(self):
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.Customer.create(emial="x")
        self.assertEqual((caught.exception.code, caught.exception.param), ("parameter_unknown", "emial"))
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            pay(49)
        self.assertEqual(caught.exception.code, "amount_too_small")
        with self.assertRaises(stripe.AuthenticationError):
            stripe.Balance.retrieve(api_key="sk_test_wrong")
        admin("POST", "faults", {"match": {"path": "/v1/balance"}, "times": 3, "fault": {"kind": "status", "status": 429}})
        with self.assertRaises(stripe.RateLimitError):
            stripe.Balance.retrieve()
        admin("DELETE", "faults")

    def test_a_checkout_is_opened_paid_and_expired(self):
        def session():
            return stripe.checkout.Session.create(
                mode="payment", success_url="http://localhost:3000/?s={CHECKOUT_SESSION_ID}",
                line_items=[{
                    "price_data": {"currency": "usd", "unit_amount": 5000, "product_data": {"name": "Course"}}, "quantity": 1
                }],
            )

        paid, expired = session(), session()
        self.assertEqual((paid.status, paid.payment_status, paid.amount_total), ("open", "unpaid", 5000))
        self.assertEqual(stripe.checkout.Session.list_line_items(paid.id).data[0].amount_total, 5000)
        admin("POST", f"checkout/sessions/{paid.id}/pay", {"card": "pm_card_visa"})
        after = stripe.checkout.Session.retrieve(paid.id, expand=["payment_intent"])
        self.assertEqual((after.status, after.payment_status, after.payment_intent.status), ("complete", "paid", "succeeded"))
        self.assertEqual(stripe.checkout.Session.expire(expired.id).status, "expired")
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.checkout.Session.expire(paid.id)


class Events(unittest.TestCase):
    def test_a_delivery_is_verified_by_the_sdk(self):
        received, arrived = [], threading.Event()

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self):
                received.append((self.rfile.read(int(self.headers["content-length"])), self.headers["stripe-signature"]))
                self.send_response(200)
                self.end_headers()
                arrived.set()

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        secret = "whsec_interoperation"
        url = f"http://127.0.0.1:{server.server_port}/"
        admin("PUT", "webhooks", {"endpoints": [{"url": url, "secret": secret, "connect": False}]})
        try:
            stripe.Customer.create(email="event@example.com")
            pay()
            self.assertTrue(arrived.wait(10))
        finally:
            admin("PUT", "webhooks", {"endpoints": []})
            server.shutdown()
        body, header = received[0]
        event = stripe.Webhook.construct_event(body, header, secret)
        self.assertEqual(stripe.Event.retrieve(event.id).type, event.type)
        with self.assertRaises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body + b" ", header, secret)

    def test_events_are_listed_by_type(self):
        payment = pay()
        events = stripe.Event.list(type="payment_intent.succeeded", limit=5).data
        self.assertIn(payment.id, [event.data.object.id for event in events])


if __name__ == "__main__":
    unittest.main()
