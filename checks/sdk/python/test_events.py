"""Events, read from the API and delivered to webhooks."""

import time
import unittest

import stripe
from support import admin, connected, pay, receiver

SECRET = "whsec_interoperation"


class Events(unittest.TestCase):
    def wait_for(self, received, kind):
        """The first delivery of that type, verified by the SDK."""
        while True:
            body, header = received.get(timeout=10)
            event = stripe.Webhook.construct_event(body, header, SECRET)
            if event.type == kind:
                return event, body, header

    def test_a_delivery_is_verified_by_the_sdk(self):
        with receiver(SECRET) as received:
            payment = pay()
            event, body, header = self.wait_for(received, "payment_intent.succeeded")
        self.assertIsInstance(event.data.object, stripe.PaymentIntent)
        self.assertEqual((event.data.object.id, event.livemode), (payment.id, False))
        self.assertEqual(stripe.Event.retrieve(event.id).data.object.id, payment.id)
        for wrong in [(body + b" ", header, SECRET), (body, header, "whsec_other"), (body, header.replace("v1=", "v1=0"), SECRET)]:
            with self.assertRaises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(*wrong)
        # The header's time is within the SDK's tolerance, and not before the test.
        signed_at = int(header.split(",")[0].removeprefix("t="))
        self.assertLess(abs(time.time() - signed_at), 60)

    def test_a_connected_accounts_events_come_to_the_connect_endpoint_alone(self):
        account = connected()
        with receiver(SECRET, connect=True) as received:
            pay()
            payment = pay(stripe_account=account)
            event, *_ = self.wait_for(received, "payment_intent.succeeded")
        self.assertEqual((event.account, event.data.object.id), (account, payment.id))
        self.assertEqual(stripe.Event.retrieve(event.id, stripe_account=account).id, event.id)
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.Event.retrieve(event.id)

    def test_a_revoked_account_is_told_of(self):
        account = connected()
        with receiver(SECRET, connect=True) as received:
            stripe.OAuth.deauthorize(stripe_user_id=account)
            event, *_ = self.wait_for(received, "account.application.deauthorized")
        self.assertEqual((event.account, event.data.object.id), (account, "ca_local"))

    def test_a_repeated_delivery_is_the_same_event(self):
        with receiver(SECRET) as received:
            admin("POST", "webhooks/mode", {"duplicate": 1})
            try:
                stripe.Customer.create()
                first, second = (self.wait_for(received, "customer.created")[0] for _ in range(2))
            finally:
                admin("POST", "webhooks/mode", {})
        self.assertEqual(first.id, second.id)

    def test_events_are_listed_by_type(self):
        payments = [pay().id for _ in range(3)]
        events = stripe.Event.list(type="payment_intent.succeeded", limit=2)
        newest = [event.data.object.id for event, _ in zip(events.auto_paging_iter(), range(3))]
        self.assertEqual(newest, payments[::-1])
        both = stripe.Event.list(types=["charge.succeeded", "payment_intent.succeeded"], limit=10)
        self.assertEqual({event.type for event in both}, {"charge.succeeded", "payment_intent.succeeded"})
