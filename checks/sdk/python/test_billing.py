"""Subscriptions and their invoices, on a test clock."""

import unittest

import stripe
from support import admin, client, connected

START = 1_801_396_800  # 2027-01-31T12:00:00Z
DAY = 24 * 60 * 60


class Billing(unittest.TestCase):
    def setUp(self):
        self.clock = stripe.test_helpers.TestClock.create(frozen_time=START, name="A year").id
        self.customer = stripe.Customer.create(
            test_clock=self.clock, payment_method="pm_card_visa", invoice_settings={"default_payment_method": "pm_card_visa"}
        ).id
        self.product = stripe.Product.create(name="Membership").id
        self.monthly, self.yearly = (
            stripe.Price.create(product=self.product, currency="usd", unit_amount=amount, recurring={"interval": interval}).id
            for interval, amount in (("month", 1000), ("year", 10000))
        )

    def tearDown(self):
        self.assertTrue(admin("GET", "books")["balanced"])
        self.assertTrue(stripe.test_helpers.TestClock.retrieve(self.clock).delete().deleted)

    def advance(self, to):
        self.assertEqual(stripe.test_helpers.TestClock.advance(self.clock, frozen_time=to).status, "advancing")
        self.assertEqual(stripe.test_helpers.TestClock.retrieve(self.clock).status, "ready")

    def subscribe(self, **more):
        items = [{"price": self.monthly}]
        return stripe.Subscription.create(customer=self.customer, items=items, expand=["latest_invoice"], **more)

    def test_products_and_prices(self):
        stripe.Product.modify(self.product, description="Every course")
        self.assertEqual(stripe.Product.retrieve(self.product).description, "Every course")
        self.assertIn(self.product, [one.id for one in stripe.Product.list(limit=100)])
        self.assertEqual({one.id for one in stripe.Price.list(product=self.product)}, {self.monthly, self.yearly})
        stripe.Price.modify(self.monthly, nickname="Monthly")
        price = stripe.Price.retrieve(self.monthly, expand=["product"])
        self.assertEqual((price.nickname, price.product.name, price.recurring.interval), ("Monthly", "Membership", "month"))

    def test_a_renewal_is_paid_and_told_which_payment_paid_it(self):
        account = connected()
        made = self.subscribe(application_fee_percent=20, transfer_data={"destination": account})
        self.assertEqual((made.status, made.latest_invoice.status), ("active", "paid"))
        self.advance(START + 28 * DAY + 3600)
        renewed = stripe.Subscription.retrieve(made.id, expand=["latest_invoice.payments"])
        payment = renewed.latest_invoice.payments.data[0]
        self.assertEqual((renewed.latest_invoice.status, payment.amount_paid), ("paid", 1000))
        intent = stripe.PaymentIntent.retrieve(payment.payment.payment_intent)
        self.assertEqual((intent.application_fee_amount, intent.transfer_data.destination), (200, account))
        found = stripe.InvoicePayment.list(payment={"type": "payment_intent", "payment_intent": intent.id}).data[0]
        self.assertEqual(stripe.InvoicePayment.retrieve(found.id).invoice, renewed.latest_invoice.id)
        self.assertEqual(renewed["items"].data[0].current_period_start, START + 28 * DAY)
        self.assertEqual([one.id for one in stripe.Subscription.list(customer=self.customer)], [made.id])
        self.assertEqual(len(stripe.Invoice.list(customer=self.customer, status="paid").data), 2)

    def test_a_switch_is_previewed_made_and_canceled(self):
        made = self.subscribe()
        item = made["items"].data[0].id
        self.advance(START + 7 * DAY)
        change = [{"id": item, "price": self.yearly}]
        preview = stripe.Invoice.create_preview(subscription=made.id, subscription_details={"items": change})
        after = stripe.Subscription.modify(made.id, items=change, expand=["latest_invoice"])
        self.assertEqual((preview.total, after.latest_invoice.total, after.latest_invoice.status), (9250, 9250, "paid"))
        lines = stripe.Invoice.list_lines(after.latest_invoice.id).data
        self.assertEqual([line.amount for line in lines], [-750, 10000])
        self.assertTrue(stripe.Subscription.modify(made.id, cancel_at_period_end=True).cancel_at_period_end)
        self.assertEqual(stripe.Subscription.cancel(made.id).status, "canceled")

    def test_an_open_invoice_is_paid_or_given_up(self):
        def open_invoice():
            return self.subscribe(payment_behavior="default_incomplete").latest_invoice.id

        stripe.Invoice.modify(open_invoice(), metadata={"a": "b"})
        self.assertEqual(stripe.Invoice.pay(open_invoice()).status, "paid")
        self.assertEqual(stripe.Invoice.mark_uncollectible(open_invoice()).status, "uncollectible")
        self.assertEqual(stripe.Invoice.void_invoice(open_invoice()).status, "void")
        payment = stripe.PaymentIntent.create(
            customer=self.customer,
            amount=1000,
            currency="usd",
            payment_method="pm_card_visa",
            confirm=True,
            return_url="https://example.com",
        )
        self.assertEqual(stripe.Invoice.attach_payment(open_invoice(), payment_intent=payment.id).status, "paid")
        self.advance(START + 28 * DAY + 1)
        draft = stripe.Invoice.list(customer=self.customer, status="draft").data[0]
        self.assertEqual(stripe.Invoice.finalize_invoice(draft.id).status, "open")
        self.assertEqual(stripe.Invoice.retrieve(draft.id).status, "open")

    def test_a_payment_waits_for_the_browser(self):
        made = stripe.Subscription.create(
            customer=self.customer,
            items=[{"price": self.monthly}],
            payment_behavior="default_incomplete",
            expand=["latest_invoice.confirmation_secret"],
        )
        secret = made.latest_invoice.confirmation_secret.client_secret
        paid = stripe.PaymentIntent.confirm(secret.split("_secret_")[0], payment_method="pm_card_visa")
        self.assertEqual((paid.status, stripe.Subscription.retrieve(made.id).status), ("succeeded", "active"))

    def test_clocks_are_listed(self):
        self.assertIn(self.clock, [one.id for one in client.v1.test_helpers.test_clocks.list({"limit": 100})])


class ByHand(unittest.TestCase):
    def test_an_invoice_of_no_subscription(self):
        customer = stripe.Customer.create(
            payment_method="pm_card_visa", invoice_settings={"default_payment_method": "pm_card_visa"}
        ).id
        kept, dropped = (
            stripe.InvoiceItem.create(customer=customer, amount=amount, currency="usd", description="Setup") for amount in (1000, 1)
        )
        self.assertEqual(stripe.InvoiceItem.retrieve(dropped.id).amount, 1)
        self.assertTrue(stripe.InvoiceItem.retrieve(dropped.id).delete().deleted)
        self.assertEqual([one.id for one in stripe.InvoiceItem.list(customer=customer, pending=True)], [kept.id])
        draft = stripe.Invoice.create(customer=customer, pending_invoice_items_behavior="include")
        self.assertEqual((draft.parent, draft.status, draft.amount_due), (None, "draft", 1000))
        self.assertEqual(stripe.Invoice.pay(draft.id).status, "paid")
