"""Customers and their cards."""

import unittest
import uuid

import stripe
from support import client, connected, pay


class Customers(unittest.TestCase):
    def test_a_customers_life(self):
        email = f"{uuid.uuid4()}@example.com"
        customer = stripe.Customer.create(email=email, metadata={"a": "1"})
        stripe.Customer.modify(customer.id, name="N", metadata={"a": "", "b": "2"})
        found = stripe.Customer.list(email=email).data
        self.assertEqual([(one.id, one.name, one.metadata.to_dict()) for one in found], [(customer.id, "N", {"b": "2"})])
        query = f"metadata['b']:'2' AND email:'{email}'"
        self.assertEqual([one.id for one in stripe.Customer.search(query=query).auto_paging_iter()], [customer.id])
        self.assertTrue(stripe.Customer.delete(customer.id).deleted)
        self.assertTrue(stripe.Customer.retrieve(customer.id).deleted)
        self.assertEqual(stripe.Customer.list(email=email).data, [])

    def test_pages_are_walked_both_ways_without_a_gap(self):
        account = connected()
        made = [stripe.Customer.create(email=f"{n}@example.com", stripe_account=account).id for n in range(7)]
        walked = [one.id for one in stripe.Customer.list(limit=3, stripe_account=account).auto_paging_iter()]
        self.assertEqual(walked, made[::-1])
        # Going backwards, the SDK reverses each page.
        back = stripe.Customer.list(limit=3, ending_before=made[0], stripe_account=account)
        self.assertEqual([one.id for one in back.auto_paging_iter()], made[1:])
        page = client.v1.customers.list({"limit": 3}, {"stripe_account": account})
        self.assertEqual([one.id for one in page.auto_paging_iter()], made[::-1])


class Cards(unittest.TestCase):
    def test_a_card_is_attached_used_changed_and_detached(self):
        customer = stripe.Customer.create(email="b@example.com")
        card = stripe.PaymentMethod.create(type="card", card={"token": "tok_visa"}, billing_details={"name": "B"})
        self.assertEqual((card.card.brand, card.card.last4, card.customer), ("visa", "4242", None))
        self.assertEqual(stripe.PaymentMethod.attach(card.id, customer=customer.id).customer, customer.id)
        self.assertEqual([one.id for one in stripe.PaymentMethod.list(customer=customer.id, type="card")], [card.id])
        self.assertEqual([one.id for one in stripe.Customer.list_payment_methods(customer.id)], [card.id])
        self.assertEqual(stripe.Customer.retrieve_payment_method(customer.id, card.id).billing_details.name, "B")
        self.assertEqual([pay(method=card.id, customer=customer.id).status for _ in range(2)], ["succeeded"] * 2)
        stripe.PaymentMethod.modify(card.id, metadata={"kept": "yes"}, billing_details={"name": "C"})
        changed = stripe.PaymentMethod.retrieve(card.id)
        self.assertEqual((changed.metadata["kept"], changed.billing_details.name), ("yes", "C"))
        self.assertIsNone(stripe.PaymentMethod.detach(card.id).customer)
        with self.assertRaises(stripe.InvalidRequestError):
            pay(method=card.id)

    def test_a_card_is_cloned_to_a_connected_account(self):
        account = connected()
        customer = stripe.Customer.create(email="b@example.com")
        card = stripe.PaymentMethod.create(type="card", card={"token": "tok_visa"})
        stripe.PaymentMethod.attach(card.id, customer=customer.id)
        clone = stripe.PaymentMethod.create(customer=customer.id, payment_method=card.id, stripe_account=account)
        self.assertNotEqual(clone.id, card.id)
        self.assertEqual(pay(method=clone.id, application_fee_amount=100, stripe_account=account).status, "succeeded")
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            pay(method=card.id, stripe_account=account)
        self.assertEqual((caught.exception.code, caught.exception.param), ("resource_missing", "payment_method"))

    def test_a_browser_makes_a_token_once(self):
        numbers = {"number": "5555555555554444", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        token = stripe.Token.create(card=numbers, api_key="pk_test_local")
        self.assertFalse(stripe.Token.retrieve(token.id).used)
        card = stripe.PaymentMethod.create(type="card", card={"token": token.id})
        self.assertEqual((card.card.brand, card.card.last4), ("mastercard", "4444"))
        self.assertTrue(stripe.Token.retrieve(token.id).used)
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.PaymentMethod.create(type="card", card={"token": token.id})
        self.assertEqual(caught.exception.code, "token_already_used")
        with self.assertRaises(stripe.CardError):
            stripe.Token.create(card=numbers)
