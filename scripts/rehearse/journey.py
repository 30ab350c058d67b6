"""What users do at the deployed API, over HTTP."""

import concurrent.futures
import http.client
import http.cookies
import json
import urllib.parse

STOREFRONT = "http://localhost:3000"


class Browser:
    """Keeps cookies and follows no redirects. Connects to this machine, whatever the host name."""

    def __init__(self, api, cookies=None):
        self.api = api
        self.cookies = dict(cookies or {})

    def send(self, method, url, body=None, form=None):
        url = urllib.parse.urlsplit(url if url.startswith("http") else self.api + url)
        headers = {"Host": url.netloc, "Accept": "text/html" if body is None else "application/json", "Origin": STOREFRONT}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body), "application/json"
        if form is not None:
            data, headers["Content-Type"] = urllib.parse.urlencode(form), "application/x-www-form-urlencoded"
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=60)
        connection.request(method, (url.path or "/") + (f"?{url.query}" if url.query else ""), data, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0":
                    del self.cookies[name]
        return answer, text

    def must(self, status, *arguments, **options):
        answer, text = self.send(*arguments, **options)
        if answer.status != status:
            raise SystemExit(f"{arguments[0]} {arguments[1]}: {answer.status}, not {status}: {text[:600]}")
        return answer, text

    def json(self, status, *arguments, **options):
        return json.loads(self.must(status, *arguments, **options)[1] or "null")


def log_in(api, email):
    browser = Browser(api)
    browser.json(200, "POST", "/sessions", {"email": email, "password": "justatest"})
    return browser


def connect(seller):
    to_stripe, _ = seller.must(302, "GET", "/users/authorize")
    consent = to_stripe.headers["Location"]
    stripe = Browser(seller.api)
    stripe.must(200, "GET", consent)
    back, _ = stripe.must(303, "POST", consent, form={"account": "new", "decision": "allow"})
    home, _ = seller.must(302, "GET", back.headers["Location"])
    assert home.headers["Location"] == f"{STOREFRONT}/?connect=success", home.headers["Location"]
    assert seller.json(200, "GET", "/users/me")["stripe"]["connected"]


def buy_at_once(buyer, course, times):
    """Sends the same purchase request many times at once. Returns the purchase, and how often each response came."""
    request = {"course_id": course["id"], "payment_method": "pm_card_visa", "expected_amount": course["price"]["amount"]}

    def attempt(_):
        answer, text = Browser(buyer.api, buyer.cookies).send("POST", "/courses/charge", request)
        return answer.status, json.loads(text)

    with concurrent.futures.ThreadPoolExecutor(times) as pool:
        answers = list(pool.map(attempt, range(times)))
    tally = {}
    for status, body in answers:
        answer = f"{status} {body.get('code', 'purchase')}"
        tally[answer] = tally.get(answer, 0) + 1
    made = {body["purchase"]["id"] for status, body in answers if status == 201}
    expected = {"201 purchase", "409 already_owned", "409 purchase_in_progress"}
    assert set(tally) <= expected, tally
    assert len(made) == 1, tally
    return made.pop(), tally


def charged(stripe_url, purchase, account):
    """The purchase's succeeded PaymentIntents at Stripe, on the platform and on the seller's account."""
    found = []
    for whose in ({}, {"Stripe-Account": account}):
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(stripe_url).netloc, timeout=30)
        connection.request("GET", "/v1/payment_intents?limit=100", headers={"Authorization": "Bearer sk_test_local"} | whose)
        found += json.loads(connection.getresponse().read())["data"]
    return [intent for intent in found if intent["metadata"].get("purchase_id") == purchase and intent["status"] == "succeeded"]
