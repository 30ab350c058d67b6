"""Early fraud warnings and reviews."""

import unittest

import stripe
from support import client, pay


class Radar(unittest.TestCase):
    def test_a_warning_is_found_by_its_charge(self):
        intent = pay(payment_method="pm_card_createIssuerFraudRecord")
        found = client.v1.radar.early_fraud_warnings.list({"charge": intent.latest_charge})
        self.assertEqual([warning.payment_intent for warning in found.data], [intent.id])
        warning = client.v1.radar.early_fraud_warnings.retrieve(found.data[0].id)
        self.assertTrue(warning.actionable)
        client.v1.refunds.create({"charge": intent.latest_charge})
        self.assertFalse(stripe.radar.EarlyFraudWarning.retrieve(warning.id).actionable)

    def test_a_payment_is_blocked_and_another_reviewed(self):
        with self.assertRaises(stripe.CardError) as caught:
            pay(payment_method="pm_card_radarBlock")
        charge = client.v1.charges.retrieve(caught.exception.error.charge)
        self.assertEqual((charge.outcome.type, charge.outcome.risk_level), ("blocked", "highest"))
        charge = client.v1.charges.retrieve(pay(payment_method="pm_card_riskLevelElevated").latest_charge)
        self.assertIn(charge.review, [review.id for review in client.v1.reviews.list().data])
        self.assertTrue(client.v1.reviews.retrieve(charge.review).open)
        self.assertEqual(client.v1.reviews.approve(charge.review).closed_reason, "approved")
