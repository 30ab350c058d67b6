#!/usr/bin/env python3
"""The monthly costs, line by line: prints the table in operations.md, or checks it.

    docs/costs.py             the table
    docs/costs.py --check     fails if the table in operations.md differs

To compute it again: look the prices up, change them here with the date, change what you have measured, and paste what is printed.
"""

import pathlib
import re
import sys

PAGE = pathlib.Path(__file__).with_name("operations.md")

# US dollars in us-east-1 at list prices, without free tiers, as of November 2026, each with its source:
PRICES = {
    "write": (0.625e-6, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "read": (0.125e-6, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "stored GB": (0.25, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "recoverable GB": (0.20, "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "backup GB": (0.10, "https://aws.amazon.com/backup/pricing/"),
    "GB to another region": (0.02, "https://aws.amazon.com/backup/pricing/"),  # to another account in the same region it is free
    "invocation": (0.20e-6, "https://aws.amazon.com/lambda/pricing/"),
    "GB-second": (13.3334e-6, "https://aws.amazon.com/lambda/pricing/"),  # arm64
    "API request": (1.00e-6, "https://aws.amazon.com/api-gateway/pricing/"),
    "log GB": (0.50, "https://aws.amazon.com/cloudwatch/pricing/"),
    "metric": (0.30, "https://aws.amazon.com/cloudwatch/pricing/"),
    "alarm": (0.10, "https://aws.amazon.com/cloudwatch/pricing/"),  # per watched metric
    "dashboard": (3.00, "https://aws.amazon.com/cloudwatch/pricing/"),
    "trace": (5.00e-6, "https://aws.amazon.com/xray/pricing/"),
    "edge request": (1.00e-6, "https://aws.amazon.com/cloudfront/pricing/"),
    "edge function": (0.10e-6, "https://aws.amazon.com/cloudfront/pricing/"),
    "edge GB": (0.085, "https://aws.amazon.com/cloudfront/pricing/"),
    "mail": (100e-6, "https://aws.amazon.com/ses/pricing/"),
    "secret": (0.40, "https://aws.amazon.com/secrets-manager/pricing/"),
    "secret's read": (5e-6, "https://aws.amazon.com/secrets-manager/pricing/"),
    "key's use": (3e-6, "https://aws.amazon.com/kms/pricing/"),
    "event": (1.00e-6, "https://aws.amazon.com/eventbridge/pricing/"),  # the maximum for a start by a schedule
}

# Per purchase; operations.md explains each.
WRITES, READS, STORED_KB = 50, 58, 7
REQUESTS, INVOCATIONS, GB_SECONDS = 18, 19, 0.38
LOG_KB = REQUESTS * 1.4 + 1.5
EDGE_REQUESTS, EDGE_KB, MAILS = 83, 250, 2

MINUTES = 730 * 60
# Two schedules every minute and two every quarter of an hour. Each run takes a twentieth of a second at 512 MB, a log line, and ten empty queries.
RUNS = 2 * MINUTES + 2 * MINUTES / 15
RUN_GB_SECONDS, RUN_LOG_KB, RUN_READS = 0.025, 1.0, 5
# Each role uses a table's key, and each instance reads a secret, at most every five minutes.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.tutorial.html: for the key aws/dynamodb, KMS charges apply.
FIVE_MINUTES, ROLES, SECRETS = MINUTES / 5, 15, 3

# reconcile, for connected accounts with payments: each is read in every second run, with two calls to Stripe, of which 25 are sent per second
# at 512 MB, with a log line each. A reading writes one item (1 unit) and its place in an index (2), and reads it.
ACCOUNTS, READINGS, CALLS, CALLS_PER_SECOND = 10_000, MINUTES / 30, 2, 25
READING_WRITES, READING_READS, CALL_LOG_KB, RECONCILE_GB = 3, 1, 0.35, 0.5

# Copies elsewhere: one backup a day, kept for two days here and for 35 there.
BACKUPS_KEPT, BACKUPS_A_MONTH = 2 + 35, 730 / 24


def price(name):
    return PRICES[name][0]


def lines(purchases, metrics, alarms):
    """The costs of a month with this many purchases."""
    invocations = purchases * INVOCATIONS + RUNS
    # The first request in each second is traced, and one in twenty of the others; runs without a request are not: https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html
    requests = purchases * REQUESTS
    first = min(requests, MINUTES * 60)
    traces = first + 0.05 * (requests - first)
    keys = min(invocations, ROLES * FIVE_MINUTES)
    return {
        "DynamoDB, requests": purchases * (WRITES * price("write") + READS * price("read")) + RUNS * RUN_READS * price("read"),
        "DynamoDB, storage and point-in-time recovery of that month's purchases; it adds up":
            purchases * STORED_KB / 1e6 * (price("stored GB") + price("recoverable GB")),
        "Lambda": invocations * price("invocation") + (purchases * GB_SECONDS + RUNS * RUN_GB_SECONDS) * price("GB-second"),
        "API Gateway": purchases * REQUESTS * price("API request"),
        "CloudWatch, logs": (purchases * LOG_KB + RUNS * RUN_LOG_KB) / 1e6 * price("log GB"),
        "X-Ray": traces * price("trace"),
        "CloudFront": purchases * (EDGE_REQUESTS * (price("edge request") + price("edge function")) + EDGE_KB / 1e6 * price("edge GB")),
        "SES": purchases * MAILS * price("mail"),
        "KMS, the tables' keys": keys * price("key's use"),
        "Schedules": RUNS * price("event"),
        "Secrets Manager": SECRETS * price("secret") + keys * price("secret's read"),
        "CloudWatch, metrics, alarms and dashboard": metrics * price("metric") + alarms * price("alarm") + price("dashboard"),
    }


def accounts():
    """What reading the accounts costs in a month."""
    readings = ACCOUNTS * READINGS
    calls = readings * CALLS
    costs = {
        "DynamoDB": readings * (READING_WRITES * price("write") + READING_READS * price("read")),
        "Lambda": calls / CALLS_PER_SECOND * RECONCILE_GB * price("GB-second"),
        "logs": calls * CALL_LOG_KB / 1e6 * price("log GB"),
    }
    parts = ", ".join(f"{name} {amount:.0f}" for name, amount in costs.items())
    return f"{calls / 1e6:.0f} million calls to Stripe and {sum(costs.values()):.0f} dollars a month ({parts})"


def copies():
    """What a GB of the tables costs in a month if it is copied elsewhere."""
    kept, sent = BACKUPS_KEPT * price("backup GB"), BACKUPS_A_MONTH * price("GB to another region")
    return f"{kept:.2f} dollars a month, and {sent:.2f} for the way to another region"


def table(text):
    """Takes the numbers of metrics from the page, where a test checks them."""
    counted = re.search(r"^What does not grow: (\d+) custom metrics .* (\d+) metrics under alarms", text, re.MULTILINE)
    months = [lines(purchases, int(counted[1]), int(counted[2])) for purchases in (1_000, 100_000, 10_000_000)]

    def dollars(amount):
        return f"{amount:,.0f}" if amount >= 100 else f"{amount:.2f}"

    rows = ["| | 1,000 purchases | 100,000 | 10 million |", "| --- | --: | --: | --: |"]
    rows += [f"| {name} | {' | '.join(dollars(month[name]) for month in months)} |" for name in months[0]]
    rows.append(f"| **In all** | {' | '.join(f'**{dollars(sum(month.values()))}**' for month in months)} |")
    return "\n".join(rows)


def main(arguments):
    text = PAGE.read_text()
    rows = table(text)
    if arguments == ["--check"]:
        if rows not in text:
            raise SystemExit(f"docs/operations.md has another table than docs/costs.py:\n{rows}")
        if accounts() not in text:
            raise SystemExit(f"docs/operations.md has other costs of accounts than docs/costs.py:\n{accounts()}")
        if copies() not in text:
            raise SystemExit(f"docs/operations.md has other costs of copies than docs/costs.py:\n{copies()}")
    else:
        print(rows)
        print(accounts())
        print(copies())


main(sys.argv[1:])
