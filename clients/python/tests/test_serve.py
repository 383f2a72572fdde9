"""Handlers without a worker: over pipes, and over HTTP."""

import io
import json
import pathlib
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

import naq
from naq._serve import http_server, serve_lines

HERE = pathlib.Path(__file__).parent


def request(task, args, **more):
    job = {"v": 1, "id": "j", "queue": "q", "task": task, "args": args, "attempt": 1, "max_attempts": 4}
    return json.dumps({**job, "idempotency_key": "j", "checkpoint": None, "last_error": None, **more}).encode() + b"\n"


def answers_of(tasks, *requests):
    out = io.BytesIO()
    serve_lines(tasks, io.BytesIO(b"".join(requests)), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_each_request_has_its_answers_in_order():
    def work(n):
        naq.current_job().progress(1, 2, "half")
        naq.current_job().save({"n": n})
        return n * 2

    assert answers_of({"w": work}, request("w", [4]), b"\n", request("w", {"n": 5}))[3:] == [
        {"progress": {"done": 1, "total": 2, "message": "half"}},
        {"checkpoint": {"n": 5}},
        {"result": 10},
    ]


@pytest.mark.parametrize(
    "error, answer",
    [
        (ConnectionResetError("gone"), {"kind": "ConnectionError.ConnectionResetError", "message": "gone"}),
        (ValueError(), {"kind": "ValueError", "message": "ValueError"}),
        (naq.Never("no", kind="A.b"), {"kind": "A.b", "message": "no", "then": "never"}),
        (naq.Never(KeyError("k")), {"kind": "LookupError.KeyError", "message": "'k'", "then": "never"}),
        (naq.RetryAfter(1.5, "slow"), {"kind": "Error", "message": "slow", "then": "retry_after", "after_ms": 1500}),
        (naq.Snooze(60), {"kind": "Error", "message": "not yet", "then": "snooze", "after_ms": 60000}),
        (naq.Cancel("gone"), {"kind": "Error", "message": "gone", "then": "cancel"}),
    ],
)
def test_an_exception_is_an_answer(error, answer):
    def work():
        raise error

    assert answers_of({"w": work}, request("w", None)) == [{"error": answer}]


def test_wrong_arguments_and_results_are_failures_of_the_attempt():
    found = answers_of({"w": lambda n: {n}}, request("w", None), request("w", [1]))
    assert [answer["error"]["kind"] for answer in found] == ["TypeError", "NaqException.SerializationError"]


def test_the_module_lists_its_tasks_and_prints_nothing_else():
    command = [sys.executable, "-m", "naq", "serve", "tasks_for_tests"]
    listed = subprocess.run([*command, "--describe"], cwd=HERE, capture_output=True, check=True)
    assert "email.send" in json.loads(listed.stdout)["tasks"]
    ran = subprocess.run(command, cwd=HERE, input=request("steps", None), capture_output=True, check=True)
    first, second, last = [json.loads(line) for line in ran.stdout.splitlines()]
    assert first == {"progress": {"done": 0, "total": 2, "message": ""}}
    assert second == {"checkpoint": 1}
    assert last["error"]["kind"] == "TimeoutError"
    assert b"what a handler prints" in ran.stderr


@pytest.mark.parametrize(
    "error, kind",
    [
        (ValueError("\udcff"), "ValueError"),
        (naq.Snooze(float("inf")), "Error"),
        (SystemExit(1), "SystemExit"),
    ],
)
def test_an_error_that_cannot_be_sent_is_still_an_answer(error, kind):
    def work():
        raise error

    answers = answers_of({"w": work, "x": lambda: 1}, request("w", None), request("x", None))
    assert answers[0]["error"]["kind"] in (kind, "_Then.Snooze")
    assert answers[1] == {"result": 1}


def test_a_thread_that_outlives_its_attempt_does_not_speak_for_the_next_one():
    jobs = []

    def work():
        jobs.append(naq.current_job())
        return 1

    found = answers_of({"w": work}, request("w", None, run="j/1/0/0"))
    assert found == [{"result": 1, "run": "j/1/0/0"}]
    with pytest.raises(RuntimeError):
        jobs[0].save("late")


def test_a_program_that_a_handler_starts_gets_no_requests_and_writes_no_answers(tmp_path):
    module = tmp_path / "starts.py"
    module.write_text(
        "import subprocess, naq\n@naq.task\ndef w():\n"
        "    return subprocess.run(['sh', '-c', 'cat; echo \\'{\"result\":\"wrong\"}\\''], check=True).returncode\n"
    )
    command = [sys.executable, "-m", "naq", "serve", "starts"]
    ran = subprocess.run(command, cwd=tmp_path, input=request("w", None) * 2, capture_output=True, check=True)
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [{"result": 0}, {"result": 0}]


def post(url, body, headers=None):
    call = urllib.request.Request(url, data=body, headers=headers or {})
    with urllib.request.urlopen(call, timeout=30) as reply:
        return [json.loads(line) for line in reply.read().splitlines()]


def test_http_lists_the_tasks_runs_them_and_refuses_what_is_not_signed():
    server = http_server({"double": lambda n: n * 2}, "127.0.0.1", 0, 3, None)
    signed = http_server({"double": lambda n: n * 2}, "127.0.0.1", 0, 3, "0123456789abcdef")
    for one in (server, signed):
        threading.Thread(target=one.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/naq"
    with urllib.request.urlopen(url, timeout=30) as reply:
        assert json.load(reply) == {"v": 1, "tasks": ["double"], "concurrency": 3}
    assert post(f"{url}/double", request("double", [21])) == [{"result": 42}]
    for refused, status in ((f"{url}/other", 404), (f"http://127.0.0.1:{signed.server_port}/double", 401)):
        with pytest.raises(urllib.error.HTTPError) as error:
            post(refused, request("double", [21]))
        assert error.value.code == status
    server.shutdown()
    signed.shutdown()
