"""SetupIntents: cards saved for later."""

import unittest

import stripe
from support import admin, pay


class Setup(unittest.TestCase):
    def setUp(self):
        self.customer = stripe.Customer.create(email="b@example.com").id

    def test_a_card_is_set_up_and_pays_later(self):
        intent = stripe.SetupIntent.create(customer=self.customer, allowed_payment_method_types=["card"], metadata={"a": "b"})
        self.assertEqual((intent.status, intent.usage), ("requires_payment_method", "off_session"))
        stripe.SetupIntent.modify(intent.id, description="A card")
        done = stripe.SetupIntent.confirm(intent.id, payment_method="pm_card_visa", expand=["payment_method"])
        self.assertEqual((done.status, done.payment_method.customer), ("succeeded", self.customer))
        self.assertEqual(stripe.SetupIntent.retrieve(intent.id).description, "A card")
        self.assertEqual([one.id for one in stripe.SetupIntent.list(customer=self.customer)], [intent.id])
        paid = pay(method=done.payment_method.id, customer=self.customer, off_session=True)
        self.assertEqual(paid.status, "succeeded")

    def test_the_bank_asks_once(self):
        intent = stripe.SetupIntent.create(
            customer=self.customer, allowed_payment_method_types=["card"], payment_method="pm_card_authenticationRequiredOnSetup", confirm=True
        )
        self.assertEqual((intent.status, intent.next_action.type), ("requires_action", "use_stripe_sdk"))
        admin("POST", f"setup_intents/{intent.id}/authenticate", {"outcome": "succeed"})
        card = stripe.SetupIntent.retrieve(intent.id).payment_method
        self.assertEqual(pay(method=card, customer=self.customer, off_session=True).status, "succeeded")

    def test_a_declined_card_is_a_card_error(self):
        with self.assertRaises(stripe.CardError) as caught:
            stripe.SetupIntent.create(
                customer=self.customer, allowed_payment_method_types=["card"], payment_method="pm_card_chargeDeclined", confirm=True
            )
        self.assertEqual(caught.exception.code, "card_declined")
        intent = caught.exception.error.setup_intent
        self.assertEqual(stripe.SetupIntent.cancel(intent.id, cancellation_reason="abandoned").status, "canceled")

    def test_checkout_keeps_a_card(self):
        session = stripe.checkout.Session.create(
            mode="setup", currency="usd", customer=self.customer, success_url="http://localhost:3000/"
        )
        admin("POST", f"checkout/sessions/{session.id}/pay", {"card": "pm_card_visa"})
        done = stripe.checkout.Session.retrieve(session.id, expand=["setup_intent"])
        self.assertEqual((done.status, done.setup_intent.status), ("complete", "succeeded"))
