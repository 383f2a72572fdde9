"""``naq.Gateway`` against a real gateway, broker and worker."""

import asyncio
import os
import subprocess

import pytest

import naq
from conftest import NAQ, free_port, listens, until

@pytest.fixture(scope="module")
def gateway(broker, tmp_path_factory):
    port = free_port()
    folder = tmp_path_factory.mktemp("gateway")
    keys = str(folder / "keys")
    key = broker.naq("gateway", "key", "add", "ops", "--operate", "--keys", keys).stdout.strip()
    env = {**os.environ, "NAQ_NATS_URL": broker.url}
    log = open(folder / "log", "w", encoding="utf-8")
    process = subprocess.Popen([NAQ, "gateway", "--port", str(port), "--keys", keys], env=env, stdout=log, stderr=log)
    until(lambda: listens(port), "the gateway listens")
    gateway = naq.Gateway(f"http://127.0.0.1:{port}", key)
    # Until the gateway has its connection to the broker it answers 503, and the request is sent again.
    gateway.queues()
    yield gateway
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def worker(broker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    log = open(folder / "worker.log", "w", encoding="utf-8")
    command = [NAQ, "worker", "default", "--exec", "echo=cat", "--exec", "bad=sh -c 'exit 64'"]
    process = subprocess.Popen(command, env={**os.environ, "NAQ_NATS_URL": broker.url}, stdout=log, stderr=log)
    yield
    process.terminate()
    process.wait()


def test_a_job_and_its_result(gateway, worker):
    job = gateway.enqueue("echo", {"to": "ann"}, max_retries=1, retry_delay=[0.5, 2], retry_on=(ConnectionError,), tags="a")
    assert '"to":"ann"' in gateway.result(job["id"], timeout=60)
    shown = gateway.job(job["id"])
    assert (shown["state"], shown["tags"]) == ("completed", ["a"])
    assert "ConnectionError" in shown["policy"]
    assert gateway.enqueue("echo", id=job["id"])["duplicate"]


def test_a_job_that_dies_is_an_error_and_can_be_requeued(gateway, worker):
    job = gateway.enqueue("bad", max_retries=0)
    with pytest.raises(naq.JobExecutionError) as error:
        gateway.result(job["id"], timeout=60)
    assert (error.value.state, error.value.kind) == ("dead", "ExitCode.64")
    assert [letter["id"] for letter in gateway.dead_letters(task="bad")] == [job["id"]]
    assert gateway.requeue(job["id"], delay=3600)["state"] == "scheduled"


def test_debounce_and_throttle_make_one_job_of_many_calls(gateway):
    first = gateway.enqueue("echo", 1, queue="quiet", debounce="doc-7=1h", max_wait=7200)
    last = gateway.enqueue("echo", 2, queue="quiet", debounce="doc-7=1h", max_wait=7200)
    assert last["held_by"] == f"quiet/{first['id']}"
    job = gateway.job(first["id"], "quiet")
    assert (job["state"], job["args"]) == ("scheduled", 2)
    with pytest.raises(naq.ConfigurationError, match="both debounce"):
        gateway.enqueue("echo", queue="quiet", debounce="doc-7=1h", idempotency_key="a")
    first = gateway.enqueue("echo", queue="quiet", throttle="doc-7=1h", in_=3600)
    assert gateway.enqueue("echo", queue="quiet", throttle="doc-7=1h")["held_by"] == f"quiet/{first['id']}"


def test_cancel_unique_dependencies_and_schedules(gateway):
    parent = gateway.enqueue("echo", queue="quiet", in_=3600, unique="one", unique_for=60)
    holder = gateway.enqueue("echo", queue="quiet", unique="one", unique_for=60)
    assert holder["held_by"] == f"quiet/{parent['id']}"
    child = gateway.enqueue("echo", queue="quiet", depends_on=parent["id"])
    assert gateway.job(child["id"], "quiet")["state"] == "blocked"
    assert gateway.retry_now(parent["id"], "quiet")["state"] == "pending"
    cancelled = asyncio.run(gateway.aio.cancel(parent["id"], "quiet", reason="a mistake"))
    assert cancelled["state"] == "cancelled"
    with pytest.raises(naq.JobExecutionError) as error:
        gateway.result(parent["id"], "quiet", timeout=60)
    assert error.value.state == "cancelled"
    made = gateway.schedule("hourly", "echo", [1], every=3600, queue="quiet", timeout=30)
    assert (made["registered"], made["every_ms"]) == ("created", 3_600_000)
    assert [schedule["name"] for schedule in gateway.schedules()] == ["hourly"]
    assert gateway.unschedule("hourly") and not gateway.unschedule("hourly")


def test_errors_have_their_classes(gateway):
    with pytest.raises(naq.JobNotFoundError):
        gateway.job("missing")
    with pytest.raises(naq.GatewayError) as error:
        gateway.enqueue("echo", timout=5)
    assert (error.value.status, error.value.kind) == (400, "bad-job")
    with pytest.raises(naq.GatewayError) as error:
        naq.Gateway(gateway.url, "naqk_wrong").queues()
    assert error.value.kind == "unauthorized"
    with pytest.raises(TimeoutError):
        waiting = gateway.enqueue("echo", queue="quiet", in_=3600)
        gateway.result(waiting["id"], "quiet", timeout=0.2)
