#!/usr/bin/env python3
"""The stages in samconfig.toml, and where each is deployed.

    eval "$(scripts/stages.py [STACK])"      sets `stack`, and the region and profile for aws and the operator

The stage is STAGE if set, otherwise the one with the named stack, otherwise the only one. A stack that is not in samconfig.toml
is looked up in the environment's region, with the environment's credentials. This way `make deploy`, `make stripe-setup` and
`make storefront` all use the same stack. A stage is what SAM calls a config-env:
<https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/serverless-sam-cli-config.html>
"""

import os
import pathlib
import shlex
import sys
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclass
class Stage:
    name: str
    stack: str = ""
    region: str = ""
    profile: str = ""
    parameters: dict = field(default_factory=dict)

    def environment(self):
        """For aws, sam and the operator. Keys in the environment are unset, because they would override the profile and may belong to another account."""
        # AWS's CLI reads either, SAM only the second.
        region = self.region or os.environ.get("AWS_REGION")
        variables = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region} if region else {}
        if self.profile:
            variables |= {"AWS_PROFILE": self.profile}
            variables |= dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
        return variables


def parameters(overrides):
    """Parses what SAM or we wrote: a list of `Name=value`, or one string of `Name="value"`."""
    if isinstance(overrides, dict):
        return {name: str(value) for name, value in overrides.items()}
    words = shlex.split(overrides if isinstance(overrides, str) else " ".join(overrides))
    return dict(word.split("=", 1) for word in words if "=" in word)


def read(file=ROOT / "samconfig.toml"):
    """The stages by name."""
    try:
        import tomllib
    except ImportError:
        raise SystemExit("Python 3.11 or newer is required to read samconfig.toml.") from None
    if not file.exists():
        return {}
    stages = {}
    for name, commands in tomllib.loads(file.read_text()).items():
        if isinstance(commands, dict):
            got = {}
            for command in ("global", "deploy"):
                got |= commands.get(command, {}).get("parameters", {})
            stages[name] = Stage(name, got.get("stack_name", ""), got.get("region", ""), got.get("profile", ""),
                                 parameters(got.get("parameter_overrides", "")))
    return stages


def choose(stages, name, stack):
    """The chosen stage, or an unnamed stage for a stack that is not in samconfig.toml."""
    if name:
        if name not in stages:
            raise SystemExit(f"samconfig.toml has no stage {name}, only {', '.join(stages) or 'none'}. `make deploy STAGE={name}` creates it; "
                             "a stack that exists can be named instead, with the region and credentials in the environment: STACK=…")
        if stack and stages[name].stack != stack:
            raise SystemExit(f"The stage {name} has the stack {stages[name].stack}, not {stack}.")
        return stages[name]
    if stack:
        return next((stage for stage in stages.values() if stage.stack == stack), Stage("", stack))
    # SAM's `default` may name the same stack as a stage, if it was deployed before stages existed.
    with_stacks = list({(stage.stack, stage.region): stage for stage in stages.values() if stage.stack}.values())
    if len(with_stacks) != 1:
        names = ", ".join(stage.name for stage in with_stacks) or "none"
        raise SystemExit(f"Which stage? Set STAGE=… or STACK=…; samconfig.toml has {names}.")
    return with_stacks[0]


def main(arguments):
    stack = (arguments[0] if arguments else "") or os.environ.get("STACK", "")
    stage = choose(read(), os.environ.get("STAGE", ""), stack)
    for name, value in stage.environment().items():
        print(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    print(f"stack={shlex.quote(stage.stack)}")


if __name__ == "__main__":
    main(sys.argv[1:])
