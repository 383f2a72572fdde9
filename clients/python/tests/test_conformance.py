"""``naq conformance handler`` against this package: as a command that stays, and as a service."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from conftest import NAQ, free_port, listens, until

HERE = pathlib.Path(__file__).parent
SERVE = [sys.executable, "-m", "naq", "serve", "conformance_tasks"]
KEY = "a key of at least sixteen characters"


def conformance(target, **env):
    ran = subprocess.run(
        [NAQ, "conformance", "handler", target, "-o", "json"],
        env={**os.environ, **env},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    cases = json.loads(ran.stdout)
    failed = [case for case in cases if case["verdict"] == "FAILED"]
    assert (failed, ran.returncode) == ([], 0), ran.stderr
    return {case["case"]: case["verdict"] for case in cases}


def test_a_command_that_stays_passes_every_case():
    verdicts = conformance(" ".join(SERVE))
    assert list(verdicts.values()).count("passed") >= 40
    assert verdicts["a handler that dies is a crash, and the job runs again"] == "passed"


@pytest.mark.parametrize("keys", ["", KEY])
def test_a_service_passes_every_case(keys):
    port = free_port()
    env = {**os.environ, "NAQ_HANDLER_KEYS": keys}
    service = subprocess.Popen([*SERVE, "--http", f"127.0.0.1:{port}"], env=env, cwd=HERE, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), "the service listens")
        verdicts = conformance(f"http://127.0.0.1:{port}", NAQ_HANDLER_KEYS=keys)
    finally:
        service.kill()
        service.wait()
    refused = "passed" if keys else "left out"
    assert verdicts["a request with a wrong signature is refused"] == refused
