"""Coupons and promotion codes."""

import unittest

import stripe
from support import admin, client


class Discounts(unittest.TestCase):
    def test_a_code_makes_an_order_free(self):
        coupon = client.v1.coupons.create({"percent_off": 100})
        self.assertEqual(client.v1.coupons.retrieve(coupon.id).percent_off, 100)
        self.assertIn(coupon.id, [one.id for one in client.v1.coupons.list().data])
        code = client.v1.promotion_codes.create({"promotion": {"type": "coupon", "coupon": coupon.id}})
        self.assertEqual(client.v1.promotion_codes.retrieve(code.id).code, code.code)
        self.assertEqual([one.id for one in client.v1.promotion_codes.list({"coupon": coupon.id}).data], [code.id])
        session = client.v1.checkout.sessions.create({
            "mode": "payment",
            "success_url": "http://localhost/done",
            "allow_promotion_codes": True,
            "line_items": [{"price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Course"}}, "quantity": 1}],
        })
        admin("POST", f"checkout/sessions/{session.id}/pay", {"promotion_code": code.code})
        done = client.v1.checkout.sessions.retrieve(session.id)
        self.assertEqual((done.payment_status, done.payment_intent), ("no_payment_required", None))
        self.assertFalse(client.v1.promotion_codes.update(code.id, {"active": False}).active)
        self.assertTrue(client.v1.coupons.delete(coupon.id).deleted)
        with self.assertRaises(stripe.InvalidRequestError):
            client.v1.coupons.retrieve(coupon.id)
