"""HTTP to the stand-in at STRIPE_URL."""

import http.client
import json
import os
import urllib.parse
import uuid

SECRET = "sk_test_local"
CLIENT_ID = "ca_local"
ADDRESS = urllib.parse.urlparse(os.environ.get("STRIPE_URL", "http://127.0.0.1:12111"))


class Failed(Exception):
    """The state that a recording requires could not be created."""


def send(method, path, params=None, *, key=SECRET, **headers):
    """Sends a request. Returns the status, headers and body of the response."""
    connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=20)
    body, query = None, ""
    if params and method == "GET":
        query = "?" + urllib.parse.urlencode(params)
    elif params:
        body = urllib.parse.urlencode(params)
    sent = {name.replace("_", "-"): value for name, value in headers.items() if value}
    if method == "POST":
        # Like every SDK.
        sent.setdefault("idempotency-key", str(uuid.uuid4()))
    sent["authorization"] = f"Bearer {key}"
    if body:
        sent["content-type"] = "application/x-www-form-urlencoded"
    connection.request(method, urllib.parse.quote(path, safe="/:%+") + query, body, sent)
    answer = connection.getresponse()
    text = answer.read().decode()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, json.loads(text)


# The last version that accepts `payment_method_types`, which nearly all recordings use.
NAMING = "2026-08-26.dahlia"


def must(method, path, params=None, account=None):
    """The object in a response that must succeed."""
    status, _, body = send(method, path, params, stripe_account=account, stripe_version=NAMING)
    if status != 200:
        raise Failed(f"{method} {path} {params} on {account}: {status} {body}")
    return body


def admin(method, path, body=None):
    connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=20)
    connection.request(method, f"/_admin/{path}", None if body is None else json.dumps(body))
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise Failed(f"{method} /_admin/{path} {body}: {answer.status} {text}")
    return json.loads(text)


def form(value, name=""):
    """Nested parameters in form encoding."""
    if isinstance(value, dict):
        pairs = ((f"{name}[{key}]" if name else key, part) for key, part in value.items())
    elif isinstance(value, list):
        pairs = ((f"{name}[{place}]", part) for place, part in enumerate(value))
    else:
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return {} if value is None else {name: text}
    flat = {}
    for key, part in pairs:
        flat.update(form(part, key))
    return flat
