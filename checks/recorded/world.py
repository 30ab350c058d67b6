"""Creates what a recording requires at the stand-in, and maps the recorded ids to ours."""

import re

from client import NAMING, Failed, admin, form, must, send

# The test card for each `decline_code`.
DECLINES = {
    "generic_decline": "pm_card_chargeDeclined",
    "insufficient_funds": "pm_card_chargeDeclinedInsufficientFunds",
    "lost_card": "pm_card_chargeDeclinedLostCard",
    "stolen_card": "pm_card_chargeDeclinedStolenCard",
    "expired_card": "pm_card_chargeDeclinedExpiredCard",
    "incorrect_cvc": "pm_card_chargeDeclinedIncorrectCvc",
    "processing_error": "pm_card_chargeDeclinedProcessingError",
    "fraudulent": "pm_card_chargeDeclinedFraudulent",
    "card_velocity_exceeded": "pm_card_chargeDeclinedVelocityLimitExceeded",
    "authentication_required": "pm_card_authenticationRequired",
    "authentication_not_handled": "pm_card_threeDSecure2Required",
}
BRANDS = {"mastercard": "pm_card_mastercard", "amex": "pm_card_amex", "discover": "pm_card_discover", "jcb": "pm_card_jcb"}
COUNTRIES = {"cad": "CA", "eur": "DE", "gbp": "GB", "aud": "AU", "sgd": "SG", "chf": "CH", "jpy": "JP", "krw": "KR"}
OWNERS = ("business_profile", "business_type", "company", "email", "settings", "tos_acceptance")
DISPUTED = {"fraudulent": "pm_card_createDispute", "product_not_received": "pm_card_createDisputeProductNotReceived"}
COPIED = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")


def identity(value):
    """The id of an object that may be expanded."""
    return value.get("id") if isinstance(value, dict) else value


def find(value, wanted):
    """Every matching object in a body."""
    if isinstance(value, dict):
        if wanted(value):
            yield value
        for part in value.values():
            yield from find(part, wanted)
    elif isinstance(value, list):
        for part in value:
            yield from find(part, wanted)


def overlaid(ours, theirs):
    """Our value, with nulls replaced by their strings and numbers. No field is added."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {name: overlaid(value, theirs.get(name)) for name, value in ours.items()}
    return theirs if ours is None and not isinstance(theirs, (dict, list)) else ours


class World:
    """What was created for one recording. `body` is Stripe's response."""

    def __init__(self, account, body):
        admin("POST", "reset")
        # Without a rate in the recording, its accounts settled in the charged currencies.
        converted = any(find(body, lambda part: part.get("exchange_rate")))
        admin("POST", "settings", {"capture_delay": 0, "every_currency": not converted})
        self.ids = {}
        self.body = body
        self.error = body.get("error") if isinstance(body, dict) and isinstance(body.get("error"), dict) else {}
        self.platform = must("GET", "/v1/account")["id"]
        self.account = self.seller(account) if account else None

    def ours(self, text):
        """Our id for a recorded one."""
        return self.ids.get(text, text)

    def named(self, recorded, made):
        if recorded:
            self.ids[recorded] = made
        return made

    # Accounts

    def seller(self, recorded, like=None, currency=None):
        """A connected account with all capabilities, in the country of that currency."""
        if recorded in self.ids:
            return self.ids[recorded]
        like = like or {}
        new = {"type": like.get("type", "standard"), "email": like.get("email"), "country": like.get("country") or COUNTRIES.get(currency or self.settled(), "US")}
        if "capabilities" in like:
            new["capabilities"] = like["capabilities"]
            new["charges_enabled"] = like.get("charges_enabled", True)
        made = admin("POST", "accounts", {name: value for name, value in new.items() if value is not None})["id"]
        if like.get("payouts_enabled") is False:
            admin("POST", f"accounts/{made}", {"payouts_enabled": False})
        return self.named(recorded, made)

    def settled(self):
        """The settlement currency of a connected account in the recording."""
        for found in find(self.body, lambda part: part.get("object") == "balance_transaction" and part.get("currency") != "usd"):
            return found["currency"]
        obo = self.body.get("on_behalf_of") if isinstance(self.body, dict) else None
        return "cad" if obo else None

    def told(self, made, like):
        """Sets what only its owner can have entered, and what Stripe derived from it."""
        ours = must("GET", f"/v1/accounts/{made}") if made != self.platform else must("GET", "/v1/account")
        changes = {}
        for name in OWNERS:
            value = overlaid(ours.get(name), like.get(name))
            if value != ours.get(name):
                changes[name] = value
        if changes:
            admin("POST", f"accounts/{made}", changes)
        person = like.get("individual")
        if person:
            told = {name: person.get(name) for name in ("first_name", "last_name", "email", "phone", "address", "dob")}
            if person.get("id_number_provided"):
                told["id_number"] = "000000000"
            must("POST", f"/v1/accounts/{made}", form({"individual": told}))

    def made_account(self, recorded, like):
        """A connected account that the platform created through the API."""
        return self.named(recorded, must("POST", "/v1/accounts", {"type": like.get("type", "standard"), "country": like.get("country", "US")})["id"])

    # Customers and cards

    def customer(self, recorded, account=None, like=None):
        if recorded in self.ids:
            return self.ids[recorded]
        like = like or {}
        params = {"email": "buyer@example.com"}
        if like:
            params = form({name: like.get(name) for name in ("email", "name", "description", "phone", "metadata", "address", "shipping")})
        return self.named(recorded, must("POST", "/v1/customers", params, account)["id"])

    def card(self):
        """The test card with the same outcome as the recording."""
        codes = [part["decline_code"] for part in find(self.body, lambda part: part.get("decline_code"))]
        if codes:
            if codes[0] not in DECLINES:
                raise Failed(f"no test card is declined with {codes[0]}")
            return DECLINES[codes[0]]
        if any(find(self.body, lambda part: part.get("next_action") and part.get("status") == "requires_action")):
            return "pm_card_threeDSecure2Required"
        seen = next(find(self.body, lambda part: "brand" in part and "last4" in part), {})
        return BRANDS.get(seen.get("brand"), "pm_card_visa")

    def payment_method(self, recorded, account=None, customer=None, card=None):
        if recorded in self.ids or (recorded or "").startswith("pm_card_"):
            return self.ids.get(recorded, recorded)
        card = card or self.card()
        if customer and card == DECLINES["generic_decline"] and self.attached(recorded):
            # This card can be attached and is declined later.
            card = "pm_card_chargeCustomerFail"
        token = card.replace("pm_card_", "tok_")
        params = {"type": "card", "card": {"token": token}, "billing_details": self.billing(recorded)}
        made = must("POST", "/v1/payment_methods", form(params), account)["id"]
        if customer:
            send("POST", f"/v1/payment_methods/{made}/attach", {"customer": customer}, stripe_account=account)
        return self.named(recorded, made)

    def billing(self, recorded):
        """The billing details of a PaymentMethod in the recording."""
        for found in find(self.body, lambda part: part.get("billing_details") and recorded in (part.get("id"), identity(part.get("payment_method")))):
            return {name: value for name, value in found["billing_details"].items() if value}
        return {}

    def attached(self, recorded):
        """Whether a PaymentMethod belonged to its customer; true if the recording does not show it."""
        for found in find(self.body, lambda part: part.get("id") == recorded and part.get("object") == "payment_method"):
            return bool(found["customer"])
        return True

    # Payments

    def intent_params(self, like, account):
        customer = identity(like.get("customer"))
        customer = customer and self.customer(customer, account)
        destination = (like.get("transfer_data") or {}).get("destination")
        params = {
            "amount": like["amount"], "currency": like["currency"], "customer": customer, "capture_method": "automatic",
            "metadata": like.get("metadata"), "on_behalf_of": like.get("on_behalf_of") and self.seller(like["on_behalf_of"]),
            "application_fee_amount": like.get("application_fee_amount"), "setup_future_usage": like.get("setup_future_usage"),
            "payment_method_types": ["card"],
        }
        if like.get("automatic_payment_methods"):
            del params["payment_method_types"]
            params["automatic_payment_methods"] = like["automatic_payment_methods"]
        if like.get("shipping"):
            params["shipping"] = like["shipping"]
        for name in (*COPIED, "capture_method", "confirmation_method"):
            params[name] = like.get(name) or params.get(name)
        if destination:
            params["transfer_data"] = {"destination": self.seller(identity(destination)), "amount": like["transfer_data"].get("amount")}
            if params["transfer_data"]["amount"] is not None:
                params["application_fee_amount"] = None
        return params

    def intent(self, recorded, like, account=None, card=None, confirm=None):
        """A PaymentIntent in its recorded state."""
        params = self.intent_params(like, account)
        method = identity(like.get("payment_method")) or (like.get("last_payment_error") or {}).get("payment_method", {}).get("id")
        status = like.get("status")
        if confirm is None:
            confirm = status in ("succeeded", "requires_capture", "requires_action", "processing") or bool(like.get("last_payment_error"))
        if method or confirm:
            customer = params["customer"] if self.attached(method) else None
            params["payment_method"] = self.payment_method(method, account, customer, card)
        if confirm:
            params["confirm"] = True
            back = (like.get("next_action") or {}).get("type") == "redirect_to_url" or like.get("automatic_payment_methods")
            params["return_url"] = "https://example.com/back" if back else None
        if (like.get("last_payment_error") or {}).get("decline_code") == "authentication_not_handled":
            return self.unhandled(recorded, params, account)
        answer = send("POST", "/v1/payment_intents", form(params), stripe_account=account, stripe_version=NAMING)[2]
        made = answer.get("error", {}).get("payment_intent") or answer
        if "id" not in made:
            raise Failed(f"a PaymentIntent of {params}: {answer}")
        self.named(recorded, made["id"])
        self.named(identity(like.get("latest_charge")), made["latest_charge"])
        if status == "canceled":
            made = must("POST", f"/v1/payment_intents/{made['id']}/cancel", {"cancellation_reason": like.get("cancellation_reason")} if like.get("cancellation_reason") not in (None, "automatic") else None, account)
        elif confirm and params["capture_method"] == "manual" and status == "succeeded":
            made = must("POST", f"/v1/payment_intents/{made['id']}/capture", None, account)
        return made

    def unhandled(self, recorded, params, account):
        """A payment with a card that requires authentication, after another card was declined."""
        first = {**params, "payment_method": "pm_card_chargeDeclined"}
        made = send("POST", "/v1/payment_intents", form(first), stripe_account=account, stripe_version=NAMING)[2]["error"]["payment_intent"]
        second = {"payment_method": params["payment_method"], "error_on_requires_action": True}
        send("POST", f"/v1/payment_intents/{made['id']}/confirm", form(second), stripe_account=account, stripe_version=NAMING)
        self.named(recorded, made["id"])
        return must("GET", f"/v1/payment_intents/{made['id']}", None, account)

    def charge(self, recorded, like, account=None, card=None):
        """A charge, with its refunds and its dispute."""
        if recorded in self.ids:
            return self.ids[recorded]
        if like.get("source_transfer") or (like.get("payment_method_details") or {}).get("type") == "stripe_account":
            return self.payment(recorded, like, account)
        details = like.get("payment_method_details") or {}
        if details.get("type", "card") != "card":
            raise Failed(f"the stand-in has no charges by {details['type']}")
        intent = {"status": "succeeded" if like.get("captured", True) else "requires_capture", **like}
        intent["status"] = "succeeded" if like.get("captured", True) else "requires_capture"
        if not like.get("captured", True):
            intent["capture_method"] = "manual"
        if like.get("disputed") and not card:
            card = "pm_card_createDispute"
        made = self.intent(identity(like.get("payment_intent")), intent, account, card)["latest_charge"]
        self.named(recorded, made)
        self.refunded(made, like, account)
        self.taken_back(made, like, account)
        return made

    def taken_back(self, made, like, account):
        """Reverses its transfer and refunds its fee where that happened without a refund."""
        transfer, fee = like.get("transfer"), like.get("application_fee")
        if not isinstance(transfer, dict) and not isinstance(fee, dict):
            return
        now = must("GET", f"/v1/charges/{made}", {"expand[0]": "transfer", "expand[1]": "application_fee"}, account)
        if isinstance(transfer, dict) and transfer.get("amount_reversed") and not now["transfer"]["amount_reversed"]:
            must("POST", f"/v1/transfers/{now['transfer']['id']}/reversals", None, account)
        if isinstance(fee, dict) and fee.get("amount_refunded") and not now["application_fee"]["amount_refunded"]:
            must("POST", f"/v1/application_fees/{now['application_fee']['id']}/refunds")

    def refunded(self, made, like, account):
        left = like.get("amount_refunded", 0)
        known = [refund for refund in (like.get("refunds") or {}).get("data", []) if refund.get("status") == "succeeded"]
        if left and not known:
            known = [{"amount": left}]
        for refund in reversed(known):
            back = bool(refund.get("transfer_reversal"))
            params = {
                "charge": made, "amount": refund["amount"], "reason": refund.get("reason"), "metadata": refund.get("metadata"),
                "reverse_transfer": back or None, "refund_application_fee": bool(like.get("application_fee")) or None,
            }
            self.named(refund.get("id"), must("POST", "/v1/refunds", form(params), account)["id"])

    def funded(self, amount, currency="usd", account=None):
        """Adds funds that are available at once."""
        params = {"amount": max(2 * amount + 1000, 2000), "currency": currency, "payment_method": "pm_card_bypassPending", "confirm": True, "payment_method_types": ["card"]}
        must("POST", "/v1/payment_intents", form(params), account)

    def payment(self, recorded, like, account):
        """The payment that a transfer creates on its destination account, from a separate transfer or a destination charge with a fee."""
        if like.get("application_fee"):
            rate = like["amount"] / max(like.get("application_fee_amount") or like["amount"], 1)
            amount = like["amount"]
            charge = {"amount": amount, "currency": "usd", "application_fee_amount": max(int(amount / rate), 1), "transfer_data": {"destination": None}}
            if like.get("currency") != "usd":
                charge["on_behalf_of"] = charge["transfer_data"]["destination"] = next(name for name, made in self.ids.items() if made == account)
            else:
                charge["transfer_data"]["destination"] = next(name for name, made in self.ids.items() if made == account)
            made = self.intent(None, {**charge, "status": "succeeded"})["latest_charge"]
            self.refunded(made, {"amount_refunded": amount if like.get("refunded") else like.get("amount_refunded", 0) and amount // 2,
                                 "application_fee": True, "refunds": {"data": [{"amount": amount if like.get("refunded") else amount // 2, "status": "succeeded", "transfer_reversal": "x"}]} if like.get("amount_refunded") else {}}, None)
            transfer = must("GET", f"/v1/charges/{made}", {"expand[]": "transfer"})["transfer"]
        else:
            if account is None:
                account = self.account = self.seller("acct_of_the_payment", currency=like["balance_transaction"]["currency"])
            transfer = self.transfer(identity(like.get("source_transfer")), {
                "amount": like["amount"], "currency": like["currency"], "amount_reversed": like.get("amount_refunded", 0),
                "destination": next((name for name, made in self.ids.items() if made == account), account),
            })
        return self.named(recorded, transfer["destination_payment"])

    # Movements of money

    def transfer(self, recorded, like, account=None):
        destination = identity(like["destination"])
        if account:
            destination = self.named(destination, self.platform)
        else:
            destination = self.ids.get(destination) or self.seller(destination, currency=like.get("currency"))
        params = {"amount": like["amount"], "currency": like["currency"], "destination": destination, "description": like.get("description"),
                  "transfer_group": like.get("transfer_group"), "metadata": like.get("metadata")}
        if like.get("source_transaction"):
            params["source_transaction"] = self.charge(identity(like["source_transaction"]), {"amount": like["amount"] + 200, "currency": like["currency"]})
        else:
            if not account and like["currency"] != "usd":
                # The recorded platform held a balance in that currency.
                admin("POST", f"accounts/{self.platform}", {"settlement_currencies": ["usd", like["currency"]]})
            self.funded(like["amount"], like["currency"], account)
        made = must("POST", "/v1/transfers", form(params), account)
        self.named(recorded, made["id"])
        if like.get("amount_reversed"):
            # The reversal may be larger than what arrived.
            self.funded(like["amount"], "usd", destination)
            must("POST", f"/v1/transfers/{made['id']}/reversals", {"amount": like["amount_reversed"]}, account)
        return made

    def split(self, recorded, like):
        """The transfer of a destination charge."""
        charge = {"amount": like["amount"], "currency": "usd", "status": "succeeded",
                  "transfer_data": {"destination": identity(like["destination"]), "amount": None}, "transfer_group": like.get("transfer_group")}
        if like["currency"] != "usd":
            charge["on_behalf_of"] = identity(like["destination"])
            self.seller(identity(like["destination"]), currency=like["currency"])
        made = self.intent(None, charge)["latest_charge"]
        if like.get("amount_reversed"):
            self.refunded(made, {"refunds": {"data": [{"amount": like["amount"] * like["amount_reversed"] // like["amount"], "status": "succeeded", "transfer_reversal": "x"}]}, "amount_refunded": 1}, None)
        transfer = must("GET", f"/v1/charges/{made}")["transfer"]
        return self.named(recorded, transfer)

    def refund(self, recorded, like, account=None):
        charge = like.get("charge")
        back = bool(like.get("transfer_reversal"))
        about = charge if isinstance(charge, dict) else {"amount": like["amount"], "currency": like["currency"]}
        fees = [part for part in find(like, lambda part: part.get("type") == "application_fee")]
        if fees and account:
            about = {**about, "application_fee_amount": max(1, about["amount"] // 4)}
        if back:
            about = {**about, "transfer_data": {"destination": "acct_of_the_transfer", "amount": None}}
            if self.settled():
                # Required across borders.
                about["on_behalf_of"] = "acct_of_the_transfer"
        about = {**about, "amount_refunded": 0, "refunds": {}, "disputed": False}
        made = self.charge(identity(charge), about, account)
        params = {"charge": made, "amount": like["amount"], "reason": like.get("reason"), "metadata": like.get("metadata"),
                  "reverse_transfer": back or None, "refund_application_fee": bool(fees and account) or None}
        return self.named(recorded, must("POST", "/v1/refunds", form(params), account)["id"])

    def dispute(self, recorded, like, account=None):
        inquiry = str(like.get("status", "")).startswith("warning")
        card = "pm_card_createDisputeInquiry" if inquiry else DISPUTED.get(like.get("reason"), "pm_card_createDispute")
        about = {"amount": like.get("amount", 1000), "currency": like.get("currency", "usd")}
        transactions = like.get("balance_transactions") or []
        if transactions and transactions[0]["currency"] != about["currency"]:
            seller = self.seller("acct_of_the_dispute", currency=transactions[0]["currency"])
            about = {**about, "on_behalf_of": "acct_of_the_dispute", "transfer_data": {"destination": "acct_of_the_dispute", "amount": None}}
            self.ids["acct_of_the_dispute"] = seller
        charge = self.charge(identity(like.get("charge")), about, account, card)
        found = must("GET", "/v1/disputes", {"charge": charge}, account)["data"]
        if not found:
            raise Failed("the card was not disputed")
        made = found[0]["id"]
        evidence = {"won": "winning_evidence", "lost": "losing_evidence", "under_review": "all that there is"}.get(like.get("status"))
        if evidence:
            must("POST", f"/v1/disputes/{made}", {"evidence[uncategorized_text]": evidence}, account)
            # The bank answers a little later.
            admin("POST", "clock/advance", {"seconds": 60})
        return self.named(recorded, made)

    def application_fee(self, recorded, like):
        seller = identity(like["account"])
        amount = 10 * like["amount"]
        if like.get("originating_transaction"):
            made = self.intent(None, {"amount": amount, "currency": like["currency"], "status": "succeeded", "application_fee_amount": like["amount"], "transfer_data": {"destination": seller}})
            account = None
        else:
            account = self.seller(seller)
            made = self.intent(None, {"amount": amount, "currency": like["currency"], "status": "succeeded", "application_fee_amount": like["amount"]}, account)
        fee = must("GET", f"/v1/charges/{made['latest_charge']}", None, account)["application_fee"]
        if like.get("amount_refunded"):
            must("POST", f"/v1/application_fees/{fee}/refunds", {"amount": like["amount_refunded"]})
        return self.named(recorded, fee)

    def payout(self, recorded, like, account=None):
        self.bank(account)
        self.funded(abs(like["amount"]), like["currency"], account)
        if like.get("automatic"):
            made = admin("POST", f"accounts/{account or self.platform}/payout")["payouts"][0]
            made = identity(made)
        else:
            made = must("POST", "/v1/payouts", form({"amount": abs(like["amount"]), "currency": like["currency"], "method": like.get("method"), "description": like.get("description")}), account)["id"]
        if like.get("status") == "paid":
            admin("POST", f"payouts/{made}/arrive")
        return self.named(recorded, made)

    def bank(self, account, recorded=None):
        """The bank account that receives an account's payouts."""
        body = must("GET", f"/v1/accounts/{account}") if account else must("GET", "/v1/account")
        known = (body.get("external_accounts") or {}).get("data") or []
        if not known:
            made = must("POST", f"/v1/accounts/{account}/external_accounts", {"external_account": "btok_us_verified"})
            known = [made]
        return self.named(recorded, known[0]["id"])

    def transaction(self, recorded, like, account=None):
        """A balance transaction, created by its cause."""
        kind, amount = like["type"], abs(like["amount"])
        currency = like["currency"]
        if kind in ("payment", "payment_refund") and str(like.get("source", "")).startswith(("py_", "pyr_")) and account:
            self.seller(next(name for name, made in self.ids.items() if made == account))
            sent = self.transfer(None, {"amount": amount, "currency": "usd", "destination": next(name for name, made in self.ids.items() if made == account),
                                        "amount_reversed": amount if kind == "payment_refund" else 0})
            owner = sent["destination_payment"]
            if kind == "payment_refund":
                refunds = must("GET", "/v1/refunds", {"charge": owner}, account)["data"]
                return self.named(recorded, refunds[0]["balance_transaction"])
            return self.named(recorded, must("GET", f"/v1/charges/{owner}", None, account)["balance_transaction"])
        if kind == "charge":
            made = self.charge(None, {"amount": amount, "currency": currency, "description": like.get("description")}, account)
            return self.named(recorded, must("GET", f"/v1/charges/{made}", None, account)["balance_transaction"])
        raise Failed(f"no way is known to a balance transaction of type {kind} from {like.get('source')}")

    # Billing

    def price(self, recorded, like=None, account=None, once=False):
        if recorded in self.ids:
            return self.ids[recorded]
        like = like or {}
        product = must("POST", "/v1/products", {"name": "Test"}, account)["id"]
        recurring = like.get("recurring") or {}
        params = {"product": product, "currency": like.get("currency", "usd"), "unit_amount": like.get("unit_amount", 1000), "nickname": like.get("nickname"),
                  "tax_behavior": like.get("tax_behavior")}
        if not once:
            params["recurring"] = {"interval": recurring.get("interval", "month"), "interval_count": recurring.get("interval_count")}
        return self.named(recorded, must("POST", "/v1/prices", form(params), account)["id"])

    def subscriber(self, recorded, account, like=None):
        """A customer with a card to pay with."""
        seen = next(find(self.body, lambda part: part.get("customer_name")), {})
        customer = self.customer(recorded, account, {"email": "buyer@example.com", "name": seen.get("customer_name")})
        if self.error.get("code") != "resource_missing" or "payment source" not in self.error.get("message", ""):
            card = self.payment_method(None, account, None, "pm_card_threeDSecure2Required" if like and like.get("status") == "incomplete" else "pm_card_visa")
            must("POST", f"/v1/payment_methods/{card}/attach", {"customer": customer}, account)
            must("POST", f"/v1/customers/{customer}", {"invoice_settings[default_payment_method]": card}, account)
        return customer

    def subscription(self, recorded, like, account=None):
        customer = self.subscriber(identity(like["customer"]), account, like)
        items = [{"price": self.price(item["price"]["id"], item["price"], account), "quantity": item.get("quantity")} for item in like["items"]["data"]]
        trial = like.get("trial_end") and 15
        params = {"customer": customer, "items": items, "trial_period_days": trial, "description": like.get("description"), "metadata": like.get("metadata")}
        made = must("POST", "/v1/subscriptions", form(params), account)["id"]
        if like.get("status") == "canceled":
            must("DELETE", f"/v1/subscriptions/{made}", None, account)
        return self.named(recorded, made)

    def invoice(self, recorded, like, account=None):
        details = (like.get("parent") or {}).get("subscription_details")
        if not details:
            raise Failed("no way is known to an invoice of no subscription")
        lines = like["lines"]["data"]
        items = {"data": [{"price": {"id": f"price_{n}", "unit_amount": max(abs(line["amount"]), 100), "currency": like["currency"]}} for n, line in enumerate(lines)][:1]}
        named = like.get("customer_name") or like.get("customer_email")
        if named and like["customer"] not in self.ids:
            self.customer(like["customer"], account, {"name": like.get("customer_name"), "email": like.get("customer_email")})
        made = self.subscription(identity(details["subscription"]), {"customer": like["customer"], "items": items, "description": None}, account)
        if like.get("billing_reason") == "subscription_update":
            item = must("GET", f"/v1/subscriptions/{made}", None, account)["items"]["data"][0]["id"]
            dearer = self.price("price_of_the_change", {"unit_amount": 9900, "currency": like["currency"]}, account)
            must("POST", f"/v1/subscriptions/{made}", {"items[0][id]": item, "items[0][price]": dearer, "proration_behavior": "always_invoice"}, account)
        return self.named(recorded, must("GET", f"/v1/subscriptions/{made}", None, account)["latest_invoice"])

    def setup_intent(self, recorded, like, account=None, confirm=None):
        customer = identity(like.get("customer"))
        customer = customer and self.customer(customer, account)
        confirm = like.get("status") in ("succeeded", "requires_action") if confirm is None else confirm
        method = like.get("payment_method")
        if isinstance(method, dict) and method.get("type") != "card":
            raise Failed(f"the stand-in sets up no {method['type']}")
        params = {"customer": customer, "usage": like.get("usage"), "description": like.get("description"), "metadata": like.get("metadata"),
                  "payment_method_types": ["card"], "confirm": confirm or None,
                  "payment_method": method and self.payment_method(identity(method), account, None)}
        made = must("POST", "/v1/setup_intents", form(params), account)["id"]
        if like.get("status") == "canceled":
            must("POST", f"/v1/setup_intents/{made}/cancel", None, account)
        return self.named(recorded, made)
