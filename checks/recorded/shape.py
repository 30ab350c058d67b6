"""Compares Stripe's responses with the stand-in's: fields, types, nulls, and the values that tell what happened."""

import re

# Objects whose keys come from the caller or from the account's settings.
MAPS = {"capabilities", "metadata", "payment_method_options", "previous_attributes"}

# Fields whose values are compared. All others are ids, times, amounts and texts of the recorded account.
TELLING = {"object", "status", "type", "reporting_category", "code", "decline_code", "param", "reason", "billing_reason"}

ID = re.compile(r"(?<![A-Za-z0-9_])([a-z]{2,8})_(?:test_)?(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{8,}(?:_secret_\w+)?(?![A-Za-z0-9])")
KEY = re.compile(r"sk_test_[A-Za-z0-9*]+")

# Newer id prefixes of the same object.
SAME = {"dp": "du"}


def kind(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {str: "text", list: "array", dict: "object"}[type(value)]


def prefix(value):
    found = ID.fullmatch(value)
    return SAME.get(found[1], found[1]) if found else None


def masked(text):
    """A message with its ids and keys masked."""
    text = KEY.sub("sk_test_…", text)
    return ID.sub(lambda found: f"{SAME.get(found[1], found[1])}_…", text)


class Comparison:
    """Collects the differences of one response, as (place, difference)."""

    def __init__(self, objects, recent):
        self.objects = objects
        self.recent = recent
        self.faults = []

    def compare(self, theirs, ours, place="", shape=None):
        name = place.rsplit(".", 1)[-1]
        if theirs == "" and ours is None:
            # The caller sent an empty string.
            return
        if kind(theirs) != kind(ours):
            self.faults.append((place, f"is {kind(ours)}, at Stripe {kind(theirs)}"))
        elif isinstance(theirs, dict):
            if name not in MAPS:
                self._objects(theirs, ours, place, shape)
            elif name == "capabilities" and not theirs and ours:
                self.faults.append((place, "has entries, at Stripe none"))
        elif isinstance(theirs, list):
            self._lists(theirs, ours, place, shape)
        elif isinstance(theirs, str):
            if name in TELLING and theirs != ours:
                self.faults.append((place, f"is {ours!r}, at Stripe {theirs!r}"))
            elif name == "message" and masked(theirs) != masked(ours):
                self.faults.append((place, f"is {masked(ours)!r}, at Stripe {masked(theirs)!r}"))
            elif prefix(theirs) and prefix(theirs) != SAME.get(ours.split("_")[0], ours.split("_")[0]):
                self.faults.append((place, f"is {ours!r}, at Stripe {theirs!r}"))

    def _objects(self, theirs, ours, place, shape):
        if isinstance(theirs.get("object"), str):
            place = theirs["object"] if theirs["object"] not in ("list", "search_result") else place
            shape = self.objects.get(theirs["object"]) if theirs["object"] not in ("list", "search_result") else None
        for name in sorted(theirs.keys() | ours.keys()):
            at = f"{place}.{name}" if place else name
            if name not in ours:
                # A field that the newest version lacks was removed since.
                if not shape or shape.knows(name):
                    self.faults.append((at, "is missing"))
            elif name not in theirs:
                # A field added after the recording is no difference. Recent recordings contain every field of their objects.
                if self.recent or (shape and not shape.knows(name)):
                    self.faults.append((at, "is not there at Stripe"))
            else:
                self.compare(theirs[name], ours[name], at, shape.field(name) if shape else None)

    def _lists(self, theirs, ours, place, shape):
        if any(isinstance(item, dict) for item in theirs + ours):
            if bool(theirs) != bool(ours):
                self.faults.append((place, f"has {len(ours)} entries, at Stripe {len(theirs)}"))
            for one, other in zip(theirs, ours):
                self.compare(one, other, f"{place}[]", shape)
        elif theirs and ours:
            self.compare(theirs[0], ours[0], f"{place}[]", shape)
