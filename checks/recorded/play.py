"""Plays every recording in a folder and reports the differences. See `run`."""

import json
import pathlib
import re
import sys

import differences
from client import CLIENT_ID, Failed, admin, send
from scenes import event_of, prepare
from shape import Comparison
from specification import objects

# Response headers: those whose values are compared, and those that must only be present.
VALUES = ("stripe-should-retry", "idempotent-replayed")
PRESENT = ("original-request", "idempotency-key", "stripe-account", "request-id")


ASKED = ("confirmation_secret", "payments", "refunds")

# Fields that contain an id, or the object itself if expanded.
EXPANDABLE = {
    "application_fee", "balance_transaction", "charge", "customer", "default_payment_method", "destination_payment", "invoice",
    "latest_charge", "latest_invoice", "payment_intent", "payment_method", "pending_setup_intent", "refunds", "source_transfer",
    "subscription", "transfer", "transfer_reversal",
    # These are only included on request.
    "confirmation_secret", "payments",
}


class Recording:
    def __init__(self, file):
        # When personal data was removed, the name of a secret was mistaken for a key.
        text = re.sub(r'"(client|confirmation)_<[A-Z_]*KEY>"', r'"\1_secret"', file.read_text())
        whole = json.loads(text)
        self.name = file.stem
        self.version = whole.get("api_version") or ""
        self.request = whole.get("request")
        self.response = whole.get("response") or {}
        body = self.response.get("body")
        self.event = whole.get("event") or (body if isinstance(body, dict) and body.get("object") == "event" and not self.request else None)
        self.body = self.event or body
        # Objects of these versions have every field that the newest version has.
        self.recent = self.version >= "2026"

    def about(self):
        if self.event:
            return self.event["type"]
        return f"{self.request['method']} {self.request['path']}"


def expansions(value, path=()):
    """The paths in a body that contain an expanded object. (A recorded query only has the last of several equal names.)"""
    if isinstance(value, dict):
        for name, part in value.items():
            if name in ("charges", "error", "source", "plan", "price", "items", "lines", "external_accounts", "individual"):
                continue
            at = (*path, name)
            if name in ASKED and part is None and len(at) <= 4:
                yield ".".join(at)
            if isinstance(part, dict) and name in EXPANDABLE and ("id" in part or name in ASKED) and len(at) <= 4:
                yield ".".join(at)
            yield from expansions(part, at)
    elif isinstance(value, list):
        for part in value[:1]:
            yield from expansions(part, path)


def play(recording):
    """The differences between Stripe's response and the stand-in's: (place, difference)."""
    comparison = Comparison(objects(), recording.recent)
    if recording.event:
        ours = event_of(recording.event)
        comparison.compare(recording.event, ours)
        return comparison.faults
    request, response = recording.request, recording.response
    world = prepare(request, recording.body)
    path = "/".join(world.ours(part) for part in request["path"].split("/"))
    params = {}
    for name, value in {**request.get("params", {}), **(request.get("query") or {})}.items():
        name, value = differences.renamed(name, value)
        if name:
            params[name] = world.ours(value)
    given = [name for name in params if name.startswith("expand[")]
    wanted = [params.pop(name) for name in given]
    wanted += [path for path in expansions(response["body"]) if not any(one.startswith(path) for one in wanted)]
    params.update({f"expand[{place}]": path for place, path in enumerate(dict.fromkeys(wanted))})
    # The recordings' account numbers were replaced by zeros. Use a test account's number, or one that Stripe refuses.
    known = "987654321" if (response["body"].get("error") or {}).get("code") == "account_number_invalid" else "000123456789"
    params.update({name: known for name in params if name.endswith("[account_number]")} if isinstance(response["body"].get("error"), (dict, type(None))) else {})
    if "client_id" in params:
        params["client_id"] = CLIENT_ID
    key = "sk_test_of_nobody" if response["status"] == 401 and "API Key" in json.dumps(response["body"]) else "sk_test_local"
    sent = {"stripe_account": world.account, "stripe_version": recording.version.split(";")[0], "idempotency_key": request.get("idempotency_key")}
    if not sent["idempotency_key"] and "idempotency-key" in (response.get("headers") or {}):
        sent["idempotency_key"] = "the same"
    if "idempotent-replayed" in (response.get("headers") or {}):
        send(request["method"], path, params, key=key, **sent)
    status, headers, ours = send(request["method"], path, params, key=key, **sent)
    if status != response["status"]:
        return [("status", f"is {status}, at Stripe {response['status']}: {json.dumps(ours)[:300]}")]
    comparison.compare(response["body"], ours)
    theirs = response.get("headers") or {}
    for name in VALUES:
        if theirs.get(name) != headers.get(name):
            comparison.faults.append((name, f"is {headers.get(name)}, at Stripe {theirs.get(name)}"))
    for name in PRESENT:
        wanted = name in theirs and not (name == "idempotency-key" and not request.get("idempotency_key")) and not (name == "stripe-account" and not world.account)
        if wanted and name not in headers:
            comparison.faults.append((name, "is missing"))
    return comparison.faults


def main(folder, *names):
    files = sorted(pathlib.Path(folder).glob("*.json"))
    files = [file for file in files if not names or any(name in file.stem for name in names)]
    counts = {"played": 0, "not played": 0, "differ": 0}
    used = set()
    for file in files:
        recording = Recording(file)
        reason = differences.not_played(recording)
        if reason:
            counts["not played"] += 1
            print(f"- {recording.name}: not played: {reason}")
            continue
        try:
            faults = play(recording)
        except Failed as failed:
            faults = [("", f"could not be played: {failed}")]
        faults = [fault for fault in faults if not differences.excused(recording, *fault, used)]
        counts["played"] += 1
        if faults:
            counts["differ"] += 1
            print(f"- {recording.name}: {recording.about()} at {recording.version}")
            for place, what in dict.fromkeys(faults):
                print(f"    {place} {what}")
    unused = [place for place in differences.places() if place not in used]
    if unused and not names:
        print("excused, and nowhere needed: " + "; ".join(unused))
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["differ"] or not files else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
