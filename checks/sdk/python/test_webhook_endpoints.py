"""Webhook endpoints created through the API."""

import unittest

import stripe


class WebhookEndpoints(unittest.TestCase):
    def test_an_endpoint_is_made_changed_and_removed(self):
        # Nothing listens there; the endpoint is deleted before any event.
        made = stripe.WebhookEndpoint.create(url="http://127.0.0.1:9/hooks", enabled_events=["charge.refunded"], connect=True)
        self.assertTrue(made.secret.startswith("whsec_"))
        self.assertEqual((made.status, made.enabled_events, made.livemode), ("enabled", ["charge.refunded"], False))
        self.assertNotIn("secret", stripe.WebhookEndpoint.retrieve(made.id))
        changed = stripe.WebhookEndpoint.modify(made.id, enabled_events=["*"], disabled=True)
        self.assertEqual((changed.status, changed.enabled_events), ("disabled", ["*"]))
        self.assertIn(made.id, [one.id for one in stripe.WebhookEndpoint.list()])
        self.assertTrue(stripe.WebhookEndpoint.delete(made.id).deleted)
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.WebhookEndpoint.retrieve(made.id)
        self.assertEqual((caught.exception.http_status, caught.exception.code), (404, "resource_missing"))

    def test_what_is_no_event_and_no_address_is_refused(self):
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.WebhookEndpoint.create(url="http://127.0.0.1:9/hooks", enabled_events=["charge.eaten"])
        self.assertEqual(caught.exception.param, "enabled_events[0]")
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.WebhookEndpoint.create(url="127.0.0.1", enabled_events=["*"])
        self.assertEqual(caught.exception.param, "url")
