"""Rehearses a deployment: the project's own commands deploy template.yaml with SAM to a local AWS emulator that enforces IAM.

    rehearse [--debug]

Over the deployed API, a seller connects and a buyer sends thirty concurrent purchase requests. A release that cannot be deployed must leave
the one before in use, and one that was deployed and does not work is taken back. What the table loses is restored, a second stage is
deployed beside the first, and both are deleted, which must leave the tables and secrets. Tests of the template check what the emulator
cannot (see docs/operations.md). scripts/build-release builds the functions; --debug uses debug builds, which are faster to build.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import boto3
from botocore.exceptions import ClientError

import emulator
import journey
import person
import template

ROOT = pathlib.Path(__file__).resolve().parents[2]
STACK = "rehearsal"
SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
began = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)


def run(*command):
    subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, env=os.environ | {"SAM_CLI_TELEMETRY": "0"})


def cargo(*arguments):
    run("cargo", *arguments)


def target():
    metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT, check=True, capture_output=True)
    return pathlib.Path(json.loads(metadata.stdout)["target_directory"])


def built(folder, source, debug):
    """Builds the functions into this folder, which then has a folder with a bootstrap for each."""
    names = [pathlib.Path(code).name for code in template.functions(source).values()]
    if debug:
        cargo("build", "--quiet", *(part for name in names for part in ("--bin", name)))
    else:
        run(str(ROOT / "scripts" / "build-release"), "x86_64")
    for name in names:
        (folder / name).mkdir(parents=True)
        shutil.copy2(target() / "debug" / name if debug else target() / "lambda" / name / "bootstrap", folder / name / "bootstrap")
    if debug:
        person.without_symbols(folder)
    return names


class Deployment:
    """The emulator as an operator sees it, and the clients to inspect it."""

    def __init__(self, endpoint, folder, code):
        self.endpoint = endpoint
        # What decides where the scripts deploy must not come from the caller.
        caller = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name not in ("ARCH", "STACK", "STAGE", "YES")}
        self.environment = caller | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": emulator.REGION,
            "AWS_DEFAULT_REGION": emulator.REGION,
            "SAM_CLI_TELEMETRY": "0",
        }
        self.program = target() / "debug" / "operator"
        self.person = person.Operator(folder, code, self.program, self.environment)

    def client(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=emulator.REGION, **keys)

    def stack(self, name):
        """A stack's status and outputs."""
        stack = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return stack["StackStatus"], {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def operator(self, table, *arguments, **variables):
        environment = self.environment | {"TABLE_NAME": table, "AWS_ENDPOINT_URL_DYNAMODB": self.endpoint} | variables
        subprocess.run([str(self.program), *arguments], env=environment, check=True, stdin=subprocess.DEVNULL)

    def versions(self, stack):
        """The version that each function's alias is pointed to."""
        functions = self.client("lambda")
        names = [one["FunctionName"] for one in functions.list_functions(MaxItems=100)["Functions"] if one["FunctionName"].startswith(f"{stack}-")]
        return {name: functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"] for name in names}

    def logged(self, function, text):
        """Whether a function's log contains this text."""
        logs = self.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            if not group["logGroupName"].endswith(function):
                continue
            events = logs.filter_log_events(logGroupName=group["logGroupName"])["events"]
            if any(text in event["message"] for event in events):
                return True
        return False


def rehearse(arguments, folder):
    source = (ROOT / "template.yaml").read_text()
    cargo("build", "--quiet", "--bin", "stripe-stand-in", "--bin", "operator")
    names = built(folder / "code", source, arguments.debug)
    text = template.for_rehearsal(source)
    say("build finished")

    with contextlib.ExitStack() as stack:
        endpoint = stack.enter_context(emulator.emulator(folder))
        say(f"the emulator is running at {endpoint} only, with IAM enforced")
        stripe_port = emulator.free_port()
        stripe_url = f"http://127.0.0.1:{stripe_port}"
        deployment = Deployment(endpoint, folder, folder / "code")
        settings = [f"region={emulator.REGION}", "Architecture=x86_64", "MailFrom=courses@example.com", f"StorefrontUrl={journey.STOREFRONT}",
                    f"AllowedOrigins={journey.STOREFRONT}", f"StripeApiBase={stripe_url}", f"StripeConnectBase={stripe_url}"]
        test = [*settings, f"stack={STACK}", "StripePublishableKey=pk_test_local", "StripeClientId=ca_local"]
        deployment.person.deploys("test", text, *test)
        outputs = deployment.stack(STACK)[1]
        api = outputs["ApiUrl"]
        first = deployment.versions(STACK)
        say(f"deployed: {api}")

        api_id = api.split("//")[1].split(".")[0]
        routes = deployment.client("apigatewayv2").get_routes(ApiId=api_id, MaxResults="500")["Items"]
        assert {route["RouteKey"] for route in routes} == template.routes(source), "not every route is deployed"
        assert len(first) == len(names)
        say(f"{len(first)} functions, {len(routes)} routes")

        program = target() / "debug" / "stripe-stand-in"
        stack.enter_context(emulator.stripe(program, stripe_port, api, folder))
        keys = {"secret_key": "sk_test_local", "webhook_secrets": [], "connect_webhook_secrets": []}
        deployment.client("secretsmanager").put_secret_value(SecretId=outputs["StripeSecretArn"], SecretString=json.dumps(keys))
        # The stand-in cannot resolve the emulator's host names, so it sends events to the API's other URL.
        deployment.operator(outputs["TableName"], "stripe-setup", STRIPE_SECRET_ARN=outputs["StripeSecretArn"], STRIPE_API_BASE=stripe_url,
                            PUBLIC_API_URL=f"{endpoint}/_aws/execute-api/{api_id}/$default")
        # The emulator's CloudFormation ignores the characters to exclude from a generated secret; its Secrets Manager does not.
        stem, key, password = template.generated_secret(source, "TokenKeysSecret")
        generated = deployment.client("secretsmanager").get_random_password(**password)["RandomPassword"]
        token_keys = json.dumps(json.loads(stem) | {key: generated})
        deployment.client("secretsmanager").put_secret_value(SecretId=outputs["TokenKeysSecretArn"], SecretString=token_keys)
        deployment.operator(outputs["TableName"], "fixtures", CREDENTIALS_TABLE_NAME=outputs["CredentialsTableName"])

        seller, buyer = journey.log_in(api, "test@seller.com"), journey.log_in(api, "test@buyer.com")
        journey.connect(seller)
        say("the seller is connected")
        courses = buyer.json(200, "GET", "/courses")["items"]
        purchase, tally = journey.buy_at_once(buyer, courses[0], 30)
        say(f"thirty concurrent purchase requests: {tally}")
        account = seller.json(200, "GET", "/users/me")["stripe"]["account_id"]
        assert len(journey.charged(stripe_url, purchase, account)) == 1, "the buyer was charged more than once"
        assert paid(buyer, purchase)
        emulator.wait_for("Stripe's event in the log of webhook", 20, lambda: deployment.logged("webhook", "payment_intent.succeeded"))
        say("one charge and one paid purchase; Stripe's event has arrived")
        sale = seller.json(200, "GET", "/sales")["items"][0]
        assert sale["purchase_id"] == purchase and sale["net"] + sale["application_fee"] == sale["amount"], sale

        # A release whose update fails half-way: its functions are published when a resource of its own cannot be made.
        deployment.person.deploys("test", template.failing(template.without_lists(text)), fails=True)
        assert deployment.stack(STACK)[0] == "UPDATE_ROLLBACK_COMPLETE"
        assert deployment.versions(STACK) == first, "an alias stayed on the release that failed"
        assert seller.json(200, "GET", "/sales")["items"][0] == sale
        say("a release that cannot be deployed leaves the one before in use")

        deployment.person.deploys("test", template.without_lists(text))
        second = deployment.versions(STACK)
        assert all(second[name] != version for name, version in first.items()), "an alias stayed on the release before"
        answer, body = seller.send("GET", "/sales")
        assert answer.status == 500, f"{answer.status} without the permission: {body[:300]}"
        emulator.wait_for("AccessDenied in the log of purchases", 20, lambda: deployment.logged("purchases", "AccessDenied"))
        say("a release without a permission: GET /sales returns 500, and the log says AccessDenied")
        deployment.person.run("test", "rollback", "--yes")
        assert seller.json(200, "GET", "/sales")["items"][0] == sale
        assert paid(buyer, purchase)
        say("taken back: the permission is there again, and so are the sales")

        deployment.person.deploys("test", text, "DefaultFeePercent=30")
        assert buyer.json(200, "GET", "/config")["default_fee_percent"] == 30, "the alias still has the old settings"
        say("a deploy that changes only a setting reaches the requests")

        restore(deployment, outputs, buyer, courses)
        say("what the table lost is back, and what was bought meanwhile is still there")

        live = [*settings, f"stack={STACK}-live", "StripePublishableKey=pk_live_local", "StripeClientId=ca_live", "AlarmEmail=ops@example.com", "DeletionProtection=false"]
        deployment.person.deploys("live", text, *live)
        other = deployment.stack(f"{STACK}-live")[1]
        # Some settings are the same, everything that the stack makes is its own.
        of_settings = {"MailIdentity", "MailConfigurationSet", *(name for name, value in other.items() if value == journey.STOREFRONT)}
        shared = {value for name, value in other.items() if name not in of_settings} & set(outputs.values())
        assert not shared, shared
        assert journey.Browser(other["ApiUrl"]).json(200, "GET", "/courses")["items"] == []
        journey.Browser(other["ApiUrl"]).must(401, "POST", "/sessions", {"email": "test@buyer.com", "password": "justatest"})
        assert paid(buyer, purchase)
        say("a second stage knows nothing of the first")

        cloudformation = deployment.client("cloudformation")
        for name in (STACK, f"{STACK}-live"):
            cloudformation.delete_stack(StackName=name)
        for name in (STACK, f"{STACK}-live"):
            emulator.wait_for(f"the deletion of {name}", 120, lambda name=name: gone(cloudformation, name))
        assert not deployment.client("lambda").list_functions()["Functions"]
        items = deployment.client("dynamodb").scan(TableName=outputs["TableName"], Select="COUNT")["Count"]
        assert items > 0
        deployment.client("secretsmanager").get_secret_value(SecretId=outputs["StripeSecretArn"])
        say(f"deleted; the table, with {items} items, and the secrets are still there")


def paid(buyer, purchase):
    return buyer.json(200, "GET", f"/purchases/{purchase}")["status"] == "paid"


def restore(deployment, outputs, buyer, courses):
    """Loses a purchase, buys something else, and restores to the moment before."""
    # The emulator restores what the table has when the copy is made, so it is made now.
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    deployment.person.run("test", "restore", moment)
    lost = next(one for one in buyer.json(200, "GET", "/purchases")["items"] if one["course_id"] == courses[0]["id"])["id"]
    dynamodb = deployment.client("dynamodb")
    items = dynamodb.scan(TableName=outputs["TableName"], ConsistentRead=True)["Items"]
    of_purchase = [item for item in items if item["sk"]["S"] in (f"PURCHASE#{lost}", f"OWNS#{courses[0]['id']}")]
    assert len(of_purchase) == 2, of_purchase
    for item in of_purchase:
        dynamodb.delete_item(TableName=outputs["TableName"], Key={"pk": item["pk"], "sk": item["sk"]})
    buyer.must(404, "GET", f"/purchases/{lost}")
    later, _ = journey.buy_at_once(buyer, courses[1], 1)
    said = deployment.person.run("test", "restore", moment, "--copy")
    assert paid(buyer, lost) and paid(buyer, later), said


def gone(cloudformation, name):
    try:
        status = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
    except ClientError:
        return True
    if status == "DELETE_FAILED":
        raise SystemExit(f"{name} cannot be deleted")
    return status == "DELETE_COMPLETE"


def stop(number, _):
    """Ends the rehearsal like an error, so that everything it started is stopped. Further signals are ignored meanwhile."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main():
    for one in SIGNALS:
        signal.signal(one, stop)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debug", action="store_true", help="use debug builds of the functions, which are faster to build")
    arguments = parser.parse_args()
    folder = target() / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        rehearse(arguments, folder)
    except BaseException:
        print(f"The logs are in {folder}.", file=sys.stderr)
        raise
    # The binaries are large, and nobody needs the logs of a success.
    shutil.rmtree(folder)
    say("the rehearsal succeeded")


main()
