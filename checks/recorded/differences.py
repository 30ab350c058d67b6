"""The known differences, each with its reason."""

import re

# Older names of parameters, and their current names.
RENAMED = [
    (re.compile(r"requested_capabilities\[(\d+)\]"), lambda found, value: (f"capabilities[{value}][requested]", "true")),
]

# Payment methods that the recordings are not played with.
NOT_CARDS = {
    "acss_debit", "afterpay_clearpay", "alipay", "au_becs_debit", "bacs_debit", "bancontact", "boleto", "customer_balance", "ideal", "klarna",
    "konbini", "multibanco", "oxxo", "p24", "paypal", "sepa_debit", "sofort", "us_bank_account", "wechat_pay",
}


def parts(value):
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts(part)


def params(recording):
    request = recording.request or {}
    return {**request.get("params", {}), **(request.get("query") or {})}


def paid_otherwise(recording):
    seen = any(part.get("type") in NOT_CARDS and part["type"] in part for part in parts(recording.body))
    named = [value for name, value in params(recording).items() if re.match(r"payment_method_types\[|type$", name)]
    # A balance transaction does not name the payment method, but a card's transaction is never of type `payment`.
    body = recording.body if isinstance(recording.body, dict) else {}
    debit = body.get("object") == "balance_transaction" and body["type"] == "payment" and any(fee["type"] == "stripe_fee" for fee in body["fee_details"])
    return seen or debit or any(value in NOT_CARDS for value in named)


# Recordings that are not played: (condition, reason).
NOT_PLAYED = [
    (paid_otherwise, "it was not paid by card"),
    (lambda one: "mandate" in params(one) or "/v1/mandates" in one.about(), "mandates are for bank debits and Indian cards"),
    (lambda one: "financing" in params(one).get("type", ""), "platforms do not use loans of Stripe Capital"),
    (lambda one: "account_token" in params(one), "the recording does not contain what the account token stands for"),
]

# Accepted differences: (pattern of the place, pattern of the difference, pattern of the version, reason).
DIFFERENCES = [
    # Older versions had these, or included them without a request.
    (r"customer\.(sources|subscriptions|tax_ids)", "is missing", r"20(19|20-0)", "only included if expanded since 2020-08-27"),

    # Added after the recording, this year.
    (r"payment_intent\.(allowed_payment_method_types|managed_payments)", "is not there", r"2026-0[1-5]", "added in 2026-06-24"),
    (r"checkout\.session\.allowed_payment_method_types", "is not there", r"2026-0", "added in 2026-09-30"),
    (r"subscription\.(billing_schedules|invoice_settings\.(custom_fields|description|footer))", "is not there", r"2026-0[1-5]", "added later in 2026"),

    # Depends on the country, owner or history of the recorded account, not on the request.
    (r".*_kan(a|ji)", "is missing", "", "names and addresses in kana and kanji are only used in Japan and Korea"),
    (r"person\.(additional_tos_acceptances|full_name_aliases|gender|maiden_name|nationality)", "is missing", "", "only required in some countries"),
    (r"account\.company\.(ownership_declaration|vat_id_provided)", "is missing", "", "only required in some countries"),
    (r"(account|person)\.(future_)?requirements\.(errors|current_deadline)", "", "", "depends on what Stripe found wrong with that account"),
    (r"account\.requirements\.disabled_reason", "", "", "depends on what Stripe found wrong with that account"),
    (r"person\.verification\..*", "", "", "Stripe's verdict on that person, and the documents they provided"),
    (r"account\.business_profile\.mcc", "is null", "", "Stripe guesses it from the description"),
    (r"account\.settings\.(card_payments|payments)\.statement_descriptor.*", "", "", "Stripe derives it from name and address by rules that are not published"),
    (r"account\.settings\.(card_issuing\.tos_acceptance\..*|paypay_payments)", "", "", "products of the recorded account that a marketplace does not use"),
    (r"capability\.(status|requirements\.disabled_reason)", "", "", "depends on what is known about that account"),
    (r"application\.name", "", "", "the recorded platform had no name"),
    (r"bank_account\.(status|account_type)", "", "", "what the bank said, and a field of Japanese accounts"),
    (r"payout\.application_fee(_amount)?", "is null", "", "a fee for instant payouts set by the recorded platform"),
    (r"event\.request\.idempotency_key", "", "", "depends on whether the caller sent a key"),
    (r"balance_transaction\.status", "", "", "depends on the day it was read"),

    (r"charge\.payment_method_details\.card\.authorization_code", "", "", "banks may or may not return one"),
    (r"transfer\.source_transaction", "at Stripe 'py_", "", "the recorded charge was a bank debit"),

    (r"balance_transaction\.fee_details", "has 0 entries, at Stripe 1", "2023", "a part of Stripe's fee that was returned to Canadian accounts with a refund"),

    # Not implemented in the stand-in.
    (r"charge\.source", "is null, at Stripe object", "", "the account that sent a payment, in an undocumented format"),
    (r"payment_intent\.next_action\.use_stripe_sdk\..*", "", "", "internal to Stripe and Stripe.js, undocumented"),
    (r"line_item\.parent\.subscription_item_details\.proration_details\.credited_items", "is null", "", "prorations do not name the line they credit"),
]


def renamed(name, value):
    for pattern, change in RENAMED:
        found = pattern.fullmatch(name)
        if found:
            return change(found, value)
    return name, value


def not_played(recording):
    return next((reason for when, reason in NOT_PLAYED if when(recording)), None)


def excused(recording, place, what, used):
    for pattern, difference, version, _ in DIFFERENCES:
        if re.fullmatch(pattern, place) and re.search(difference, what) and re.match(version, recording.version):
            used.add(pattern)
            return True
    return False


def places():
    return [pattern for pattern, *_ in DIFFERENCES]
