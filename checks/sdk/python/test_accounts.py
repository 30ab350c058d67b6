"""Connected accounts: OAuth, what the platform may do with them, and that they are isolated."""

import unittest

import stripe
from support import admin, answer_consent, authorize_url, client, connected, pay


class OAuth(unittest.TestCase):
    def test_a_code_gives_tokens_once(self):
        redirect = answer_consent(authorize_url())
        self.assertEqual((redirect["state"], redirect["scope"]), ("s", "read_write"))
        token = stripe.OAuth.token(grant_type="authorization_code", code=redirect["code"])
        self.assertTrue(token.stripe_user_id.startswith("acct_"))
        self.assertEqual((token.scope, token.livemode, token.token_type), ("read_write", False, "bearer"))
        self.assertTrue(token.stripe_publishable_key.startswith("pk_test_"))
        # The token works as a key of that account.
        self.assertEqual(stripe.Account.retrieve(api_key=token.access_token).id, token.stripe_user_id)
        with self.assertRaises(stripe.oauth_error.InvalidGrantError) as caught:
            stripe.OAuth.token(grant_type="authorization_code", code=redirect["code"])
        self.assertEqual((caught.exception.http_status, caught.exception.code), (400, "invalid_grant"))
        # A code that is used twice may have been stolen, so its tokens are revoked.
        with self.assertRaises(stripe.oauth_error.InvalidGrantError):
            stripe.OAuth.token(grant_type="refresh_token", refresh_token=token.refresh_token)

    def test_a_refresh_token_gives_a_new_access_token(self):
        code = answer_consent(authorize_url())["code"]
        first = client.oauth.token({"grant_type": "authorization_code", "code": code})
        second = client.oauth.token({"grant_type": "refresh_token", "refresh_token": first.refresh_token})
        self.assertEqual(second.stripe_user_id, first.stripe_user_id)
        self.assertNotEqual(second.access_token, first.access_token)

    def test_a_denial_comes_back_to_the_platform(self):
        redirect = answer_consent(authorize_url(), "deny")
        self.assertEqual((redirect["error"], redirect["state"]), ("access_denied", "s"))
        self.assertNotIn("code", redirect)

    def test_express_has_a_page_of_its_own(self):
        url = authorize_url(scope="express", express=True)
        self.assertIn("/express/oauth/authorize?", url)
        token = stripe.OAuth.token(grant_type="authorization_code", code=answer_consent(url)["code"])
        self.assertEqual(stripe.Account.retrieve(token.stripe_user_id).type, "express")

    def test_each_mistake_has_its_class(self):
        for kind, parameters in [
            (stripe.oauth_error.InvalidGrantError, {"grant_type": "authorization_code", "code": "ac_none"}),
            (stripe.oauth_error.InvalidRequestError, {"grant_type": "authorization_code"}),
            (stripe.oauth_error.UnsupportedGrantTypeError, {"grant_type": "password"}),
        ]:
            with self.subTest(kind), self.assertRaises(kind):
                stripe.OAuth.token(**parameters)
        with self.assertRaises(stripe.oauth_error.InvalidClientError):
            stripe.OAuth.deauthorize(client_id="ca_other", stripe_user_id=connected())
        with self.assertRaises(stripe.AuthenticationError):
            stripe.Balance.retrieve(api_key="sk_test_wrong")

    def test_a_deauthorized_account_is_closed_to_the_platform(self):
        account = connected()
        self.assertEqual(stripe.OAuth.deauthorize(stripe_user_id=account).stripe_user_id, account)
        with self.assertRaises(stripe.PermissionError) as caught:
            stripe.Balance.retrieve(stripe_account=account)
        self.assertEqual((caught.exception.http_status, caught.exception.error.code), (403, "account_invalid"))
        with self.assertRaises(stripe.oauth_error.InvalidClientError):
            stripe.OAuth.deauthorize(stripe_user_id=account)

    def test_a_read_only_account_is_not_written_to(self):
        account = connected("read_only")
        self.assertEqual(stripe.Customer.list(stripe_account=account).data, [])
        with self.assertRaises(stripe.StripeError) as caught:
            stripe.Customer.create(stripe_account=account)
        self.assertIn(caught.exception.http_status, (401, 403))


class Accounts(unittest.TestCase):
    def test_an_accounts_life(self):
        account = stripe.Account.create(type="express", country="US", email="s@example.com")
        self.assertTrue(account.id.startswith("acct_"))
        changed = stripe.Account.modify(account.id, metadata={"course": "one"}, business_profile={"name": "Lessons"})
        self.assertEqual((changed.metadata["course"], changed.business_profile.name), ("one", "Lessons"))
        again = client.v1.accounts.retrieve(account.id)
        self.assertEqual((again.email, again.business_profile.name), ("s@example.com", "Lessons"))

    def test_the_platform_and_the_header_name_their_own_account(self):
        account = connected()
        self.assertEqual(stripe.Account.retrieve(stripe_account=account).id, account)
        self.assertEqual(stripe.Account.retrieve().id, admin("GET", "accounts")["platform"])

    def test_accounts_are_listed_newest_first(self):
        made = []
        for _ in range(3):
            # Times are in whole seconds.
            admin("POST", "clock/advance", {"seconds": 1})
            made.append(connected())
        self.assertEqual([one.id for one in stripe.Account.list(limit=3)], made[::-1])
        second = stripe.Account.retrieve(made[1]).created
        self.assertEqual([one.id for one in stripe.Account.list(created={"gt": second})], made[2:])

    def test_capabilities(self):
        account = connected()
        listed = {one.id: one.status for one in stripe.Account.list_capabilities(account)}
        self.assertEqual((listed["card_payments"], listed["transfers"]), ("active", "active"))
        self.assertEqual(stripe.Account.retrieve_capability(account, "transfers").status, "active")

    def test_an_account_session_shows_components_of_one_account(self):
        account = stripe.Account.create(type="express", country="US", capabilities={"transfers": {"requested": True}})
        payments = {"enabled": True, "features": {"refund_management": False}}
        session = stripe.AccountSession.create(account=account.id, components={"payments": payments, "payouts": {"enabled": True}})
        self.assertEqual((session.account, session.components.documents.enabled), (account.id, False))
        self.assertFalse(session.components.payments.features.refund_management)
        self.assertFalse(session.components.payouts.features.standard_payouts)
        self.assertTrue(session.client_secret)
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.AccountSession.create(account=connected(), components={"account_onboarding": {"enabled": True}})

    def test_an_account_is_onboarded_and_its_dashboard_opened(self):
        account = stripe.Account.create(type="express", country="US", capabilities={"transfers": {"requested": True}})
        self.assertIn("external_account", account.requirements.currently_due)
        link = stripe.AccountLink.create(
            account=account.id, refresh_url="http://localhost/again", return_url="http://localhost/back", type="account_onboarding"
        )
        self.assertGreater(link.expires_at, link.created)
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.Account.create_login_link(account.id)
        admin("POST", f"accounts/{account.id}/requirements", {"verdict": "complete"})
        again = stripe.Account.retrieve(account.id)
        self.assertEqual((again.capabilities.transfers, again.details_submitted), ("active", True))
        self.assertTrue(stripe.Account.create_login_link(account.id).url.startswith("http"))
        asked = stripe.Account.modify_capability(account.id, "card_payments", requested=True)
        self.assertEqual((asked.id, asked.status), ("card_payments", "inactive"))
        rejected = stripe.Account.reject(account.id, reason="fraud")
        self.assertEqual(rejected.requirements.disabled_reason, "rejected.fraud")

    def test_accounts_do_not_see_each_other(self):
        one, two = connected(), connected()
        customer = stripe.Customer.create(email="a@example.com", stripe_account=one)
        payment = pay(stripe_account=one)
        self.assertEqual(stripe.Customer.retrieve(customer.id, stripe_account=one).email, "a@example.com")
        for account in (two, None):
            for kind, id in ((stripe.Customer, customer.id), (stripe.PaymentIntent, payment.id)):
                with self.assertRaises(stripe.InvalidRequestError) as caught:
                    kind.retrieve(id, stripe_account=account)
                self.assertEqual((caught.exception.code, caught.exception.http_status), ("resource_missing", 404))
        self.assertEqual(stripe.PaymentIntent.list(stripe_account=two).data, [])


class Made(unittest.TestCase):
    def test_banks_and_persons_of_an_account_that_the_platform_made(self):
        account = stripe.Account.create(
            type="custom", country="US", business_type="individual", individual={"first_name": "Ada", "last_name": "Example"}
        ).id
        bank = {
            "object": "bank_account", "country": "US", "currency": "usd", "account_number": "000123456789", "routing_number": "110000000"
        }
        first = stripe.Account.create_external_account(account, external_account=bank)
        second = stripe.Account.create_external_account(account, external_account=bank)
        self.assertEqual([one.id for one in stripe.Account.list_external_accounts(account)], [first.id, second.id])
        self.assertTrue(stripe.Account.retrieve_external_account(account, first.id).default_for_currency)
        changed = stripe.Account.modify_external_account(account, second.id, default_for_currency=True)
        self.assertTrue(changed.default_for_currency)
        self.assertTrue(stripe.Account.delete_external_account(account, first.id).deleted)
        person = stripe.Account.list_persons(account).data[0]
        self.assertEqual((person.first_name, person.relationship.representative), ("Ada", True))
        stripe.Account.modify_person(account, person.id, last_name="Another")
        self.assertEqual(stripe.Account.retrieve_person(account, person.id).last_name, "Another")
        self.assertTrue(stripe.Account.retrieve(account).delete().deleted)
        with self.assertRaises(stripe.PermissionError):
            stripe.Account.retrieve(account)
