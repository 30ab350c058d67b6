"""A stage's stack at AWS: its state, and the releases that it has had.

A release is a template with its parameters. The template that SAM gives to CloudFormation names the functions' code in SAM's bucket, so a
release can be deployed again without a build. CloudFormation only keeps the present one. So `make deploy` writes that to the bucket before
it deploys another, and `make rollback` reads it there.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass

import stages

RUNBOOK = "docs/operations.md"


class Refused(SystemExit):
    pass


def run(*command, environment):
    try:
        return subprocess.run(command, cwd=stages.ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except FileNotFoundError:
        raise Refused(f"{command[0]} is required: see {RUNBOOK}#first-deploy") from None


@dataclass
class Release:
    # When it was deployed, in UTC: 2026-11-02T09:30:00Z.
    at: str
    template: str
    parameters: dict

    def code(self):
        """The functions' code, as (bucket, key)."""
        return re.findall(r"CodeUri\"?: [\"']?s3://([^/\s]+)/([^\s\"']+)", self.template)

    def settings(self):
        """The parameters that somebody chooses."""
        return {name: value for name, value in self.parameters.items() if name != "Release"}

    def differs(self, other):
        return (self.template, self.settings()) != (other.template, other.settings())


class Stack:
    def __init__(self, stage):
        self.stage = stage

    def environment(self):
        return {name: value for name, value in (os.environ | self.stage.environment() | {"AWS_PAGER": ""}).items() if value is not None}

    def aws(self, *arguments):
        """The response, and the error message if there is none."""
        done = run("aws", *arguments, "--output", "json", environment=self.environment())
        if done.returncode:
            return None, (done.stderr or done.stdout).strip()
        return json.loads(done.stdout or "{}"), ""

    def must(self, what, *arguments):
        answer, complaint = self.aws(*arguments)
        if answer is None:
            raise Refused(f"{what}: {complaint}")
        return answer

    def described(self, to_update=True):
        """What CloudFormation says of the stack, or None if there is none. Refuses one that cannot be updated now, if it is to be."""
        answer, complaint = self.aws("cloudformation", "describe-stacks", "--stack-name", self.stage.stack)
        if not answer:
            if "does not exist" in complaint:
                return None
            raise Refused(f"Could not ask CloudFormation about the stack {self.stage.stack}: {complaint}")
        stack = answer["Stacks"][0]
        status = stack["StackStatus"]
        if status == "REVIEW_IN_PROGRESS":
            return None
        if not to_update:
            return stack
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "UPDATE_ROLLBACK_FAILED"):
            raise Refused(f"The stack {self.stage.stack} is {status} and cannot be updated: see {RUNBOOK}#a-deploy-that-failed")
        if status.endswith("_IN_PROGRESS"):
            raise Refused(f"The stack {self.stage.stack} is {status}. Wait until it is done.")
        return stack

    def present(self, described):
        """The release that is deployed now."""
        # `Original` is what SAM sent: <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html>
        body = self.must("Could not read the stack's template", "cloudformation", "get-template", "--stack-name", self.stage.stack,
                         "--template-stage", "Original")["TemplateBody"]
        at = described.get("LastUpdatedTime") or described["CreationTime"]
        return Release(f"{at[:19]}Z", body if isinstance(body, str) else json.dumps(body), parameters(described))

    def place(self, release):
        """The bucket and the prefix of the stack's releases."""
        if not release.code():
            raise Refused(f"The template of the stack {self.stage.stack} names no code in a bucket. Was it deployed with `make deploy`?")
        return release.code()[0][0], f"releases/{self.stage.stack}/"

    def keep(self, release):
        """Writes a release to the bucket. It is named after its time, so keeping it twice changes nothing."""
        bucket, prefix = self.place(release)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "release.json"
            file.write_text(json.dumps(asdict(release)))
            self.must("Could not keep the present release", "s3", "cp", str(file), f"s3://{bucket}/{prefix}{release.at}.json", "--only-show-errors")

    def times(self, present, beginning=""):
        """When the kept releases were deployed, newest first: those whose time has this beginning."""
        bucket, prefix = self.place(present)
        listed = self.must("Could not list the releases", "s3api", "list-objects-v2", "--bucket", bucket, "--prefix", prefix + beginning)
        return sorted((entry["Key"].removeprefix(prefix).removesuffix(".json") for entry in listed.get("Contents", [])), reverse=True)

    def kept(self, present, beginning):
        """The releases whose time has this beginning, newest first."""
        bucket, prefix = self.place(present)
        for time in self.times(present, beginning):
            yield Release(**self.must("Could not read a release", "s3", "cp", f"s3://{bucket}/{prefix}{time}.json", "-"))


def new_release():
    """The parameter `Release` of this deploy. SAM names versions after its first ten characters, and Lambda publishes none that is the same as the last
    one. So it differs in each deploy, also in one that repeats a deploy which failed."""
    return str(int(time.time()))


def parameters(described):
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in described.get("Parameters", [])}


def overrides(values):
    """The parameters in SAM's format. Empty ones are included, because SAM would otherwise keep the stack's values."""
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in sorted(values.items())}
    return [f'{name}="{value}"' for name, value in quoted.items()]
