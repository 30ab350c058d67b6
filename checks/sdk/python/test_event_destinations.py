"""Event destinations, which receive thin events."""

import unittest

import stripe
from support import client


class EventDestinations(unittest.TestCase):
    def test_a_destination_is_made_changed_and_removed(self):
        destinations = client.v2.core.event_destinations
        made = destinations.create({
            "name": "Accounts",
            "type": "webhook_endpoint",
            "event_payload": "thin",
            "enabled_events": ["v2.core.account.updated"],
            "events_from": ["@self", "@accounts"],
            # Nothing listens there; the destination is deleted before any other event.
            "webhook_endpoint": {"url": "http://127.0.0.1:9/thin"},
            "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
        })
        self.assertTrue(made.webhook_endpoint.signing_secret.startswith("whsec_"))
        event = destinations.ping(made.id)
        self.assertEqual(client.v2.core.events.retrieve(event.id).id, event.id)
        self.assertEqual(destinations.update(made.id, {"name": "Sellers"}).name, "Sellers")
        self.assertEqual(destinations.disable(made.id).status, "disabled")
        self.assertEqual(destinations.enable(made.id).status, "enabled")
        self.assertEqual(destinations.retrieve(made.id).name, "Sellers")
        self.assertIn(made.id, [one.id for one in destinations.list().data])
        destinations.delete(made.id)
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            destinations.retrieve(made.id)
        self.assertEqual((caught.exception.http_status, caught.exception.code), (404, "not_found"))
