"""The comparison reports real differences and no others."""

import unittest

from shape import Comparison, masked


class Part:
    def __init__(self, *fields, **parts):
        self.fields = {*fields, *parts}
        self.parts = parts

    def knows(self, name):
        return name in self.fields

    def field(self, name):
        return self.parts.get(name)


OBJECTS = {"refund": Part("id", "object", "amount", "status", "charge", "metadata", "newer", card=Part("last4"))}
RECORDED = {"id": "re_AAAAAAAA1", "object": "refund", "amount": 5, "status": "succeeded", "charge": None, "metadata": {"a": "b"}, "gone": 1}
OURS = {"id": "re_BBBBBBBB2", "object": "refund", "amount": 7, "status": "succeeded", "charge": None, "metadata": {"c": "d"}}


def faults(recorded, ours, recent=False):
    comparison = Comparison(OBJECTS, recent)
    comparison.compare(recorded, ours)
    return comparison.faults


class Shapes(unittest.TestCase):
    def test_the_same_shape_has_no_faults(self):
        self.assertEqual(faults(RECORDED, OURS), [])

    def test_every_other_shape_has(self):
        for change, fault in [
            ({"amount": "7"}, ("refund.amount", "is text, at Stripe number")),
            ({"amount": True}, ("refund.amount", "is boolean, at Stripe number")),
            ({"charge": "ch_AAAAAAAA1"}, ("refund.charge", "is text, at Stripe null")),
            ({"id": "pyr_BBBBBBBB2"}, ("refund.id", "is 'pyr_BBBBBBBB2', at Stripe 're_AAAAAAAA1'")),
            ({"invented": 1}, ("refund.invented", "is not there at Stripe")),
            ({"status": "pending"}, ("refund.status", "is 'pending', at Stripe 'succeeded'")),
        ]:
            with self.subTest(change):
                self.assertEqual(faults(RECORDED, {**OURS, **change}), [fault])
        self.assertEqual(faults(RECORDED, {k: v for k, v in OURS.items() if k != "amount"}), [("refund.amount", "is missing")])

    def test_a_newer_field_is_a_fault_only_where_the_recording_is_recent(self):
        ours = {**OURS, "newer": None}
        self.assertEqual(faults(RECORDED, ours), [])
        self.assertEqual(faults(RECORDED, ours, recent=True), [("refund.newer", "is not there at Stripe")])

    def test_parts_and_lists_are_walked(self):
        theirs = {**RECORDED, "card": {"last4": "1"}, "newer": [{"x": 1}]}
        self.assertEqual(faults(theirs, {**OURS, "card": {"last4": 1}, "newer": []}), [
            ("refund.card.last4", "is number, at Stripe text"), ("refund.newer", "has 0 entries, at Stripe 1")])

    def test_messages_are_compared_without_their_ids(self):
        self.assertEqual(masked("No such charge: 'ch_AAAAAAAA1'"), masked("No such charge: 'ch_BBBBBBBB2'"))
        self.assertNotEqual(masked("at least $0.50"), masked("at least $0.50 usd"))


if __name__ == "__main__":
    unittest.main()
