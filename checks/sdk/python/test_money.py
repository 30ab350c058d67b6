"""Movements of money: balances, refunds, transfers, application fees, disputes."""

import unittest
import uuid

import stripe
from support import admin, client, connected, held, net, pay


class Money(unittest.TestCase):
    def tearDown(self):
        self.assertTrue(admin("GET", "books")["balanced"])

    def test_a_balance_is_the_sum_of_its_transactions(self):
        account = connected()
        for _ in range(3):
            pay(application_fee_amount=500, stripe_account=account)
        self.assertEqual(net(account), held(account))
        self.assertEqual(net(), held())
        newest = stripe.BalanceTransaction.list(type="charge", limit=1, stripe_account=account).data[0]
        again = stripe.BalanceTransaction.retrieve(newest.id, stripe_account=account)
        self.assertEqual((again.amount, again.net), (5000, 5000 - again.fee))
        fees = {one.type: one.amount for one in again.fee_details}
        self.assertEqual((fees["application_fee"], sum(fees.values())), (500, again.fee))
        self.assertEqual(client.v1.balance.retrieve(options={"stripe_account": account}).object, "balance")

    def test_a_refund_takes_back_the_transfer_and_the_fee(self):
        account = connected()
        payment = pay(transfer_data={"destination": account}, application_fee_amount=2500, expand=["latest_charge"])
        self.assertEqual((payment.status, payment.latest_charge.application_fee_amount), ("succeeded", 2500))
        self.assertEqual(net(account), 2500)
        part = stripe.Refund.create(payment_intent=payment.id, amount=1000, reverse_transfer=True, refund_application_fee=True)
        self.assertEqual((part.status, part.amount, net(account)), ("succeeded", 1000, 2000))
        rest = stripe.Refund.create(
            payment_intent=payment.id, reverse_transfer=True, refund_application_fee=True, reason="requested_by_customer"
        )
        self.assertEqual((rest.amount, net(account)), (4000, 0))
        self.assertEqual([one.id for one in stripe.Refund.list(payment_intent=payment.id)], [rest.id, part.id])
        stripe.Refund.modify(part.id, metadata={"why": "late"})
        self.assertEqual(stripe.Refund.retrieve(part.id).metadata["why"], "late")
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.Refund.create(payment_intent=payment.id)
        self.assertEqual(caught.exception.code, "charge_already_refunded")

    def test_a_plain_refund_leaves_the_seller_and_the_fee_alone(self):
        account = connected()
        payment = pay(transfer_data={"destination": account}, application_fee_amount=2500)
        before = held()
        stripe.Refund.create(payment_intent=payment.id)
        self.assertEqual((net(account), held()), (2500, before - 5000))

    def test_a_refund_of_a_direct_charge(self):
        account = connected()
        payment = pay(application_fee_amount=500, stripe_account=account)
        before = net(account)
        stripe.Refund.create(payment_intent=payment.id, amount=2500, refund_application_fee=True, stripe_account=account)
        self.assertEqual(net(account), before - 2500 + 250)

    def test_a_transfer_and_its_reversals(self):
        account, group = connected(), str(uuid.uuid4())
        charge = pay(8000, method="pm_card_bypassPending", transfer_group=group).latest_charge
        transfer = stripe.Transfer.create(
            amount=3000, currency="usd", destination=account, source_transaction=charge, transfer_group=group
        )
        self.assertEqual([one.id for one in stripe.Transfer.list(transfer_group=group, destination=account)], [transfer.id])
        self.assertEqual(net(account), 3000)
        stripe.Transfer.modify(transfer.id, metadata={"part": "first"})
        first = stripe.Transfer.create_reversal(transfer.id, amount=1000)
        self.assertEqual((first.amount, first.transfer, net(account)), (1000, transfer.id, 2000))
        rest = stripe.Transfer.create_reversal(transfer.id)
        self.assertEqual(stripe.Transfer.retrieve_reversal(transfer.id, rest.id).amount, 2000)
        self.assertEqual([one.id for one in stripe.Transfer.list_reversals(transfer.id)], [rest.id, first.id])
        after = stripe.Transfer.retrieve(transfer.id)
        self.assertEqual((after.reversed, after.amount_reversed, after.metadata["part"]), (True, 3000, "first"))
        self.assertEqual(net(account), 0)
        with self.assertRaises(stripe.InvalidRequestError):
            stripe.Transfer.create(amount=8001, currency="usd", destination=account, source_transaction=charge)

    def test_an_application_fee_and_its_refunds(self):
        account = connected()
        charge = pay(application_fee_amount=500, stripe_account=account).latest_charge
        fee = stripe.ApplicationFee.list(charge=charge).data[0]
        self.assertEqual((fee.amount, fee.account, fee.charge), (500, account, charge))
        before = net(account)
        part = stripe.ApplicationFee.create_refund(fee.id, amount=200)
        self.assertEqual((part.fee, net(account)), (fee.id, before + 200))
        rest = stripe.ApplicationFee.create_refund(fee.id)
        self.assertEqual(stripe.ApplicationFee.retrieve_refund(fee.id, rest.id).amount, 300)
        self.assertEqual([one.id for one in stripe.ApplicationFee.list_refunds(fee.id)], [rest.id, part.id])
        after = stripe.ApplicationFee.retrieve(fee.id)
        self.assertEqual((after.refunded, after.amount_refunded, net(account)), (True, 500, before + 500))

    def test_a_dispute_takes_the_money_until_it_is_won(self):
        before = held()
        payment = pay(method="pm_card_createDispute")
        dispute = stripe.Dispute.list(payment_intent=payment.id).data[0]
        self.assertEqual((dispute.amount, dispute.charge), (5000, payment.latest_charge))
        self.assertLess(held(), before)
        changed = stripe.Dispute.modify(dispute.id, evidence={"product_description": "A course"}, submit=True)
        self.assertEqual(changed.status, "under_review")
        lost = held()
        admin("POST", f"disputes/{dispute.id}/close", {"outcome": "won"})
        self.assertEqual(stripe.Dispute.retrieve(dispute.id).status, "won")
        self.assertEqual(held(), lost + 6500)

    def test_a_dispute_is_conceded(self):
        payment = pay(method="pm_card_createDispute")
        dispute = stripe.Dispute.list(payment_intent=payment.id).data[0]
        lost = held()
        self.assertEqual((stripe.Dispute.close(dispute.id).status, held()), ("lost", lost))

    def test_payouts(self):
        account = connected()
        pay(method="pm_card_bypassPending", stripe_account=account)
        payout = stripe.Payout.create(amount=1000, currency="usd", stripe_account=account)
        self.assertEqual((payout.status, stripe.Payout.retrieve(payout.id, stripe_account=account).amount), ("pending", 1000))
        stripe.Payout.modify(payout.id, metadata={"week": "1"}, stripe_account=account)
        self.assertEqual([one.metadata["week"] for one in stripe.Payout.list(stripe_account=account)], ["1"])
        before = net(account)
        self.assertEqual(stripe.Payout.cancel(payout.id, stripe_account=account).status, "canceled")
        self.assertEqual(net(account), before + 1000)
        with self.assertRaises(stripe.InvalidRequestError) as caught:
            stripe.Payout.create(amount=100_000, currency="usd", stripe_account=account)
        self.assertEqual(caught.exception.code, "balance_insufficient")


class OfACharge(unittest.TestCase):
    def test_the_older_way_to_a_refund(self):
        charge = pay().latest_charge
        made = client.raw_request("post", f"/v1/charges/{charge}/refunds", amount=100)
        refund = client.deserialize(made, api_mode="V1")
        self.assertEqual((refund.charge, refund.amount), (charge, 100))
        self.assertEqual([one.id for one in stripe.Charge.list_refunds(charge)], [refund.id])
