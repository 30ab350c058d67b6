"""Runs the AWS emulator, with IAM enforced and only on 127.0.0.1, and the Stripe stand-in."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

REGION = "us-east-1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds, check):
    """Calls `check` until it returns something, and returns that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = check()
        if found:
            return found
        time.sleep(0.2)
    raise SystemExit(f"timed out after {seconds} s waiting for {what}")


@contextlib.contextmanager
def running(name, command, environment, log, stdin=subprocess.DEVNULL):
    """A process in its own process group, stopped together with everything it started."""
    with open(log, "wb") as output:
        process = subprocess.Popen(command, env=environment, stdin=stdin, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            print(f"{name} did not stop by itself", file=sys.stderr)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def emulator(folder):
    """Yields the endpoint. The functions inherit only this environment, nothing of the caller's."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        # Without this, the functions would call AWS itself.
        "AWS_ENDPOINT_URL": endpoint,
    }
    program = pathlib.Path(sys.executable).with_name("ministack")

    def answers():
        try:
            return urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2).status == 200
        except (OSError, urllib.error.URLError):
            return False

    with running("the emulator", [str(program)], environment, folder / "emulator.log") as process:
        wait_for("the emulator's first answer", 60, answers)
        only_local(process)
        yield endpoint


def only_local(process):
    """Fails if the emulator listens on anything but 127.0.0.1."""
    sockets = {os.readlink(entry) for entry in readable(pathlib.Path(f"/proc/{process.pid}/fd"))}
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            listens = fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets
            if listens and not fields[1].startswith("0100007F:"):
                raise SystemExit(f"the emulator listens on {fields[1]}")


def readable(folder):
    for entry in folder.iterdir():
        with contextlib.suppress(OSError):
            os.readlink(entry)
            yield entry


@contextlib.contextmanager
def stripe(program, port, api_url, folder):
    """The Stripe stand-in, without webhook endpoints. It stops when its standard input ends."""
    command = [str(program), "--until-eof", "--port", str(port), "--redirect-uri", f"{api_url}/users/oauth/callback"]
    log = folder / "stripe.log"
    with running("the Stripe stand-in", command, {}, log, stdin=subprocess.PIPE) as process:
        wait_for("the Stripe stand-in", 20, lambda: b"http://" in log.read_bytes())
        yield
        process.stdin.close()
        process.wait(20)
