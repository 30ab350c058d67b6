"""Accounts v2."""

import unittest

import stripe
from support import client

SELLER = {
    "contact_email": "seller@example.com",
    "dashboard": "express",
    "identity": {"country": "DE", "entity_type": "individual"},
    "defaults": {"responsibilities": {"fees_collector": "application", "losses_collector": "application"}},
    "configuration": {
        "merchant": {"capabilities": {"card_payments": {"requested": True}}},
        "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}},
    },
}


class AccountsV2(unittest.TestCase):
    def test_an_account_is_made_changed_and_closed(self):
        accounts = client.v2.core.accounts
        made = accounts.create({**SELLER, "include": ["configuration.merchant", "requirements"]})
        self.assertEqual(made.configuration.merchant.capabilities.card_payments.status, "restricted")
        self.assertEqual(made.requirements.summary.minimum_deadline.status, "past_due")
        self.assertIsNone(made.identity)
        seen = accounts.retrieve(made.id, {"include": ["identity"]})
        self.assertEqual((seen.identity.country, seen.configuration), ("DE", None))
        self.assertEqual(accounts.update(made.id, {"display_name": "Ada"}).display_name, "Ada")
        link = client.v2.core.account_links.create({
            "account": made.id,
            "use_case": {"type": "account_onboarding", "account_onboarding": {"refresh_url": "http://localhost/again"}},
        })
        self.assertEqual(link.account, made.id)
        self.assertEqual(client.v1.accounts.retrieve(made.id).type, "express")
        self.assertTrue(accounts.close(made.id, {"applied_configurations": ["merchant", "recipient"]}).closed)

    def test_pages_are_followed(self):
        made = {client.v2.core.accounts.create(SELLER).id for _ in range(3)}
        seen = {account.id for account in client.v2.core.accounts.list({"limit": 2}).auto_paging_iter()}
        self.assertLessEqual(made, seen)

    def test_errors_have_codes(self):
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            client.v2.core.accounts.create({**SELLER, "dashboard": "nothing"})
        self.assertEqual((caught.exception.http_status, caught.exception.code), (400, "invalid_fields"))
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            client.v2.core.accounts.retrieve("acct_nobody")
        self.assertEqual((caught.exception.http_status, caught.exception.code), (404, "not_found"))
