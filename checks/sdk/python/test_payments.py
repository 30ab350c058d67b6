"""PaymentIntents, Checkout Sessions, idempotency, and the SDK's own retries."""

import unittest
import uuid

import stripe
from support import admin, client, connected, fault, pay


class Payments(unittest.TestCase):
    def test_a_payment_in_steps(self):
        payment = stripe.PaymentIntent.create(amount=5000, currency="usd", allowed_payment_method_types=["card"])
        self.assertEqual((payment.status, payment.latest_charge), ("requires_payment_method", None))
        stripe.PaymentIntent.modify(payment.id, amount=6000, metadata={"course": "one"})
        confirmed = stripe.PaymentIntent.confirm(payment.id, payment_method="pm_card_visa")
        self.assertEqual((confirmed.status, confirmed.amount_received), ("succeeded", 6000))
        again = stripe.PaymentIntent.retrieve(payment.id, expand=["latest_charge.balance_transaction"])
        self.assertEqual((again.metadata["course"], again.latest_charge.balance_transaction.amount), ("one", 6000))
        stripe.Charge.modify(again.latest_charge.id, description="D", metadata={"seen": "yes"})
        charge = stripe.Charge.retrieve(again.latest_charge.id)
        self.assertEqual((charge.paid, charge.description, charge.metadata["seen"]), (True, "D", "yes"))
        self.assertEqual([one.id for one in stripe.Charge.list(payment_intent=payment.id)], [charge.id])

    def test_a_part_of_what_was_authorized_is_captured(self):
        payment = pay(5000, capture_method="manual")
        self.assertEqual((payment.status, payment.amount_capturable), ("requires_capture", 5000))
        captured = stripe.PaymentIntent.capture(payment.id, amount_to_capture=3000)
        self.assertEqual((captured.status, captured.amount_received), ("succeeded", 3000))

    def test_a_decline_is_a_card_error(self):
        for card, code, decline_code in [
            ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
            ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
            ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
            ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ]:
            with self.subTest(card), self.assertRaises(stripe.CardError) as caught:
                pay(method=card)
            error = caught.exception
            self.assertEqual((error.http_status, error.code, error.error.code), (402, code, code))
            if decline_code:
                self.assertEqual(error.error.decline_code, decline_code)
            payment = error.error.payment_intent
            self.assertEqual(payment["status"], "requires_payment_method")
            self.assertEqual(payment["last_payment_error"]["code"], code)
            self.assertTrue(error.request_id.startswith("req_"))
            # Another card pays the same PaymentIntent.
            self.assertEqual(stripe.PaymentIntent.confirm(payment["id"], payment_method="pm_card_visa").status, "succeeded")

    def test_authentication(self):
        def asked():
            payment = pay(method="pm_card_threeDSecure2Required")
            self.assertEqual((payment.status, payment.next_action.type), ("requires_action", "use_stripe_sdk"))
            return payment.id

        succeeds, fails, leaves = asked(), asked(), asked()
        admin("POST", f"payment_intents/{succeeds}/authenticate", {"outcome": "succeed"})
        admin("POST", f"payment_intents/{fails}/authenticate", {"outcome": "fail"})
        self.assertEqual(stripe.PaymentIntent.retrieve(succeeds).status, "succeeded")
        failed = stripe.PaymentIntent.retrieve(fails)
        self.assertEqual((failed.status, failed.last_payment_error.code), ("requires_payment_method", "payment_intent_authentication_failure"))
        canceled = stripe.PaymentIntent.cancel(leaves, cancellation_reason="abandoned")
        self.assertEqual((canceled.status, canceled.cancellation_reason), ("canceled", "abandoned"))
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.PaymentIntent.cancel(succeeds)
        self.assertEqual(caught.exception.code, "payment_intent_unexpected_state")

    def test_a_browser_confirms_with_the_client_secret(self):
        payment = stripe.PaymentIntent.create(amount=5000, currency="usd", allowed_payment_method_types=["card"])
        key = {"api_key": "pk_test_local"}
        seen = stripe.PaymentIntent.retrieve(payment.id, client_secret=payment.client_secret, **key)
        self.assertEqual(seen.id, payment.id)
        paid = stripe.PaymentIntent.confirm(payment.id, client_secret=payment.client_secret, payment_method="pm_card_visa", **key)
        self.assertEqual(paid.status, "succeeded")
        for refused in ({"client_secret": payment.client_secret + "x"}, {}):
            with self.assertRaises(stripe.StripeError):
                stripe.PaymentIntent.retrieve(payment.id, **refused, **key)

    def test_payments_are_listed_by_customer_and_time(self):
        customer = stripe.Customer.create().id
        made = [pay(customer=customer).id for _ in range(3)]
        pay()
        listed = stripe.PaymentIntent.list(customer=customer, limit=2).auto_paging_iter()
        self.assertEqual([one.id for one in listed], made[::-1])
        later = stripe.PaymentIntent.retrieve(made[0]).created + 3600
        self.assertEqual(stripe.PaymentIntent.list(customer=customer, created={"gte": later}).data, [])

    def test_a_key_is_replayed_and_guards_its_parameters(self):
        key = str(uuid.uuid4())
        first, again = pay(idempotency_key=key), pay(idempotency_key=key)
        self.assertEqual(first.id, again.id)
        self.assertNotIn("idempotent-replayed", first.last_response.headers)
        self.assertEqual(again.last_response.headers["idempotent-replayed"], "true")
        with self.assertRaises(stripe.IdempotencyError):
            pay(5001, idempotency_key=key)

    def test_a_decline_is_replayed_as_well(self):
        key, errors = str(uuid.uuid4()), []
        for _ in range(2):
            with self.assertRaises(stripe.CardError) as caught:
                pay(method="pm_card_visa_chargeDeclined", idempotency_key=key)
            errors.append(caught.exception.error.payment_intent["id"])
        self.assertEqual(errors[0], errors[1])

    def test_the_sdks_own_retry_makes_one_charge(self):
        for effect in ({"kind": "drop_after"}, {"kind": "drop_before"}, {"kind": "html_503"}):
            with self.subTest(effect["kind"]), fault(effect, method="POST", path="/v1/payment_intents"):
                group = str(uuid.uuid4())
                payment = pay(transfer_group=group)
                self.assertEqual(admin("GET", "faults")["faults"], [], "the fault hit")
                found = [one.id for one in stripe.PaymentIntent.list(limit=100).auto_paging_iter() if one.transfer_group == group]
                self.assertEqual(found, [payment.id])

    def test_wrong_requests_are_told_apart(self):
        for parameters, code, param in [
            ({"colour": "red"}, "parameter_unknown", "colour"),
            ({"amount": 49}, "amount_too_small", "amount"),
            ({"amount": "a"}, "parameter_invalid_integer", "amount"),
            ({"customer": "cus_none"}, "resource_missing", "customer"),
        ]:
            with self.subTest(code), self.assertRaises(stripe.InvalidRequestError) as caught:
                pay(**parameters)
            error = caught.exception
            self.assertEqual((error.http_status, error.code, error.param), (400, code, param))
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.PaymentIntent.create(amount=5000)
        self.assertEqual((caught.exception.code, caught.exception.param), ("parameter_missing", "currency"))
        with self.assertRaises(stripe.AuthenticationError):
            stripe.Balance.retrieve(api_key="sk_test_wrong")

    def test_what_goes_on_failing_reaches_the_caller(self):
        for effect, kind in [
            ({"kind": "status", "status": 429}, stripe.RateLimitError),
            ({"kind": "status", "status": 500}, stripe.APIError),
            ({"kind": "html_503"}, stripe.APIError),
            ({"kind": "drop_before"}, stripe.APIConnectionError),
        ]:
            with self.subTest(effect), fault(effect, times=3, path="/v1/balance", exact=True), self.assertRaises(kind):
                stripe.Balance.retrieve()
        self.assertEqual(stripe.Balance.retrieve().object, "balance")


class Checkout(unittest.TestCase):
    def open(self, quantity=1, **more):
        price = {"currency": "usd", "unit_amount": 5000, "product_data": {"name": "Course"}}
        return stripe.checkout.Session.create(
            mode="payment", success_url="http://localhost:3000/?s={CHECKOUT_SESSION_ID}",
            line_items=[{"price_data": price, "quantity": quantity}], **more
        )

    def test_a_session_is_opened_and_paid(self):
        account = connected()
        session = self.open(2, payment_intent_data={"application_fee_amount": 1000, "transfer_data": {"destination": account}})
        self.assertEqual((session.status, session.payment_status, session.amount_total), ("open", "unpaid", 10000))
        self.assertTrue(session.url.startswith("http"))
        items = stripe.checkout.Session.list_line_items(session.id).data
        self.assertEqual([(one.description, one.quantity, one.amount_total) for one in items], [("Course", 2, 10000)])
        stripe.checkout.Session.modify(session.id, metadata={"seen": "yes"})
        admin("POST", f"checkout/sessions/{session.id}/pay", {"card": "pm_card_visa"})
        after = stripe.checkout.Session.retrieve(session.id, expand=["payment_intent.latest_charge", "line_items"])
        self.assertEqual((after.status, after.payment_status, after.metadata["seen"]), ("complete", "paid", "yes"))
        self.assertEqual(after.payment_intent.latest_charge.application_fee_amount, 1000)
        self.assertEqual(after.line_items.data[0].quantity, 2)
        self.assertEqual([one.id for one in stripe.checkout.Session.list(payment_intent=after.payment_intent.id)], [session.id])
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.checkout.Session.expire(session.id)

    def test_a_session_expires(self):
        session = self.open(customer_email="c@example.com", client_reference_id="r")
        self.assertEqual(stripe.checkout.Session.expire(session.id).status, "expired")
        again = client.v1.checkout.sessions.retrieve(session.id)
        self.assertEqual((again.status, again.url, again.client_reference_id), ("expired", None, "r"))

    def test_a_session_of_a_connected_account_is_its_own(self):
        account = connected()
        session = self.open(payment_intent_data={"application_fee_amount": 1000}, stripe_account=account)
        admin("POST", f"checkout/sessions/{session.id}/pay", {"card": "pm_card_visa"})
        self.assertEqual(stripe.checkout.Session.retrieve(session.id, stripe_account=account).payment_status, "paid")
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.checkout.Session.retrieve(session.id)
