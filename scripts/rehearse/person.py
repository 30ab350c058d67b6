"""An operator with a copy of the project, who deploys, takes back and restores with the project's own commands.

`sam` and `aws` are the real ones, and call the emulator. Only `cargo` is replaced: what it would build is built already.
"""

import os
import pathlib
import shutil
import subprocess
import sys

import template

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ["build-release", "deploy", "on-stage", "restore", "rollback", "stack.py", "stages.py", "upload-storefront"]

CARGO = """#!/usr/bin/env bash
set -euo pipefail
case "$1 $2" in
  'lambda build')
    while [ $# -gt 0 ]; do
      if [ "$1" = --package ]; then
        mkdir -p "target/lambda/$2"
        ln -f "$REHEARSAL_CODE/$2/bootstrap" "target/lambda/$2/bootstrap"
      fi
      shift
    done ;;
  'lambda system' | 'lambda --version') exec cargo-lambda "$@" ;;
  'run --quiet') shift 5 && exec "$REHEARSAL_OPERATOR" "$@" ;;
  'tree '*) ;;
  *) echo "cargo $* is not expected here" >&2; exit 1 ;;
esac
"""

# PyPI has version 1 of the AWS CLI. The commands that the scripts use are the same in version 2, which they ask for.
AWS = f"""#!/usr/bin/env bash
[ "$*" != --version ] || exec echo 'aws-cli/2'
exec {pathlib.Path(sys.executable).with_name("aws")} "$@"
"""


class Operator:
    def __init__(self, folder, code, program, environment):
        """`code` has a folder with a bootstrap for each function, `program` is the built operator."""
        self.folder = folder / "project"
        self.deployed = 0
        for script in SCRIPTS:
            self.file(f"scripts/{script}", (ROOT / "scripts" / script).read_text(), executable=True)
        for function in code.iterdir():
            (self.folder / "functions" / function.name).mkdir(parents=True)
        self.file("bin/cargo", CARGO, executable=True)
        self.file("bin/aws", AWS, executable=True)
        self.environment = environment | {
            "PATH": f"{self.folder / 'bin'}:{environment['PATH']}",
            "REHEARSAL_CODE": str(code),
            "REHEARSAL_OPERATOR": str(program),
        }

    def file(self, name, text, executable=False):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755 if executable else 0o644)

    def run(self, stage, script, *arguments, fails=False):
        """Runs a script without answering anything. Returns what it says."""
        command = [str(self.folder / "scripts" / script), *arguments]
        with open(self.folder / "log", "a+b") as log:
            began = log.tell()
            done = subprocess.run(command, env=self.environment | {"STAGE": stage}, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            log.seek(began)
            said = log.read().decode()
        if (done.returncode != 0) != fails:
            raise SystemExit(f"{script} {'succeeded' if fails else 'failed'}:\n{said[-4000:]}")
        return said

    def deploys(self, stage, text, *settings, fails=False):
        self.deployed += 1
        self.file("template.yaml", template.published(text, self.deployed))
        return self.run(stage, "deploy", stage, "--yes", *settings, fails=fails)


def without_symbols(code):
    """Debug builds without their symbols: SAM packs every function for every deploy."""
    if strip := shutil.which("strip"):
        for bootstrap in code.glob("*/bootstrap"):
            subprocess.run([strip, str(bootstrap)], check=True)
