"""Rehearses a deployment: SAM deploys template.yaml to a local AWS emulator that enforces IAM.

    rehearse [--debug]

Over the deployed API, a seller connects and a buyer sends thirty concurrent purchase requests. Then a permission is removed, and a
request must fail. The stack is updated and must keep its data, then deleted and must leave the table and secrets. Tests of the
template check what the emulator cannot (see docs/operations.md). scripts/build-release builds the functions, and SAM packages
them; --debug uses debug builds, which are faster to build.
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
    """Builds the functions. Returns the folder with each bootstrap, by the folder that the template names."""
    functions = template.functions(source)
    if debug:
        cargo("build", "--quiet", *(part for code in functions.values() for part in ("--bin", pathlib.Path(code).name)))
        for code in functions.values():
            (folder / code).mkdir(parents=True)
            shutil.copy2(target() / "debug" / pathlib.Path(code).name, folder / code / "bootstrap")
        return {code: folder / code for code in functions.values()}
    run(str(ROOT / "scripts" / "build-release"), "x86_64")
    return {code: target() / "lambda" / pathlib.Path(code).name for code in functions.values()}


class Deployment:
    """The stack, and the clients to inspect it."""

    def __init__(self, endpoint, folder, stripe_url):
        self.endpoint, self.folder, self.stripe_url = endpoint, folder, stripe_url
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": emulator.REGION,
            "AWS_DEFAULT_REGION": emulator.REGION,
            "SAM_CLI_TELEMETRY": "0",
        }
        self.client("s3").create_bucket(Bucket="rehearsal-artifacts")

    def client(self, service):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=emulator.REGION, **keys)

    def deploy(self, text, **parameters):
        file = self.folder / "template.yaml"
        file.write_text(text)
        values = {
            "StorefrontUrl": journey.STOREFRONT,
            "AllowedOrigins": journey.STOREFRONT,
            "StripePublishableKey": "pk_test_local",
            "StripeClientId": "ca_local",
            "StripeApiBase": self.stripe_url,
            "StripeConnectBase": self.stripe_url,
            "MailFrom": "courses@example.com",
            "MailIdentity": "example.com",
            "Architecture": "x86_64",
            "DeletionProtection": "false",
            "WebhookReservedConcurrency": "5",
        } | parameters
        command = ["sam", "deploy", "--template-file", str(file), "--stack-name", STACK, "--s3-bucket", "rehearsal-artifacts"]
        command += ["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar", "--region", emulator.REGION]
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in values.items())]
        done = subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=self.folder)
        (self.folder / "deploy.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            raise SystemExit(f"sam deploy failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        stack = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def operator(self, table, *arguments, **variables):
        environment = self.environment | {"TABLE_NAME": table, "AWS_ENDPOINT_URL_DYNAMODB": self.endpoint} | variables
        program = target() / "debug" / "operator"
        subprocess.run([str(program), *arguments], env=environment, check=True, stdin=subprocess.DEVNULL)

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
    code = built(folder / "code", source, arguments.debug)
    text = template.for_rehearsal(source, code)
    say("build finished")

    with contextlib.ExitStack() as stack:
        endpoint = stack.enter_context(emulator.emulator(folder))
        say(f"the emulator is running at {endpoint} only, with IAM enforced")
        stripe_port = emulator.free_port()
        stripe_url = f"http://127.0.0.1:{stripe_port}"
        deployment = Deployment(endpoint, folder, stripe_url)
        outputs = deployment.deploy(text)
        api = outputs["ApiUrl"]
        say(f"deployed: {api}")

        api_id = api.split("//")[1].split(".")[0]
        routes = deployment.client("apigatewayv2").get_routes(ApiId=api_id, MaxResults="500")["Items"]
        assert {route["RouteKey"] for route in routes} == template.routes(source), "not every route is deployed"
        functions = deployment.client("lambda").list_functions(MaxItems=100)["Functions"]
        assert len(functions) == len(code)
        say(f"{len(functions)} functions, {len(routes)} routes")

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
        course = buyer.json(200, "GET", "/courses")["items"][0]
        purchase, tally = journey.buy_at_once(buyer, course, 30)
        say(f"thirty concurrent purchase requests: {tally}")
        account = seller.json(200, "GET", "/users/me")["stripe"]["account_id"]
        assert len(journey.charged(stripe_url, purchase, account)) == 1, "the buyer was charged more than once"
        state = buyer.json(200, "GET", f"/purchases/{purchase}")["status"]
        assert state == "paid", state
        emulator.wait_for("Stripe's event in the log of webhook", 20, lambda: deployment.logged("webhook", "payment_intent.succeeded"))
        say("one charge and one paid purchase; Stripe's event has arrived")
        sale = seller.json(200, "GET", "/sales")["items"][0]
        assert sale["purchase_id"] == purchase and sale["net"] + sale["application_fee"] == sale["amount"], sale

        deployment.deploy(template.without_lists(text))
        answer, body = seller.send("GET", "/sales")
        assert answer.status == 500, f"{answer.status} without the permission: {body[:300]}"
        emulator.wait_for("AccessDenied in the log of purchases", 20, lambda: deployment.logged("purchases", "AccessDenied"))
        say("without the permission, GET /sales returns 500, and the log says AccessDenied")

        deployment.deploy(text, DefaultFeePercent="30")
        assert seller.json(200, "GET", "/sales")["items"][0] == sale
        assert buyer.json(200, "GET", f"/purchases/{purchase}")["status"] == "paid"
        say("updated: the permission is back, and earlier sales are unchanged")

        cloudformation = deployment.client("cloudformation")
        cloudformation.delete_stack(StackName=STACK)
        emulator.wait_for("the deletion of the stack", 120, lambda: gone(cloudformation))
        assert not deployment.client("lambda").list_functions()["Functions"]
        items = deployment.client("dynamodb").scan(TableName=outputs["TableName"], Select="COUNT")["Count"]
        assert items > 0
        deployment.client("secretsmanager").get_secret_value(SecretId=outputs["StripeSecretArn"])
        say(f"deleted; the table, with {items} items, and the secrets are still there")


def gone(cloudformation):
    try:
        status = cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    except ClientError:
        return True
    if status == "DELETE_FAILED":
        raise SystemExit("the stack cannot be deleted")
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
