"""A real broker, a real worker, and these handlers under it."""

import asyncio
import json
from datetime import datetime, timedelta, timezone

import pytest

import naq

pytestmark = pytest.mark.usefixtures("worker")


def shown(broker, job):
    ran = broker.naq("job", "show", job.job_id, "-o", "json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_call_goes_to_the_handler_and_its_result_comes_back():
    job = naq.enqueue_sync("add", 1, 2, three=3)
    assert job.result_sync(timeout=60) == 6
    assert job.state_sync() == "completed"
    assert naq.enqueue_sync("email.send", to="a@example.com").result_sync(60) == "sent to a@example.com, attempt 1 of 4"


def test_a_large_result_is_stored_compressed_and_read_plain(broker):
    to = "ann@example.com " * 2_000
    assert naq.enqueue_sync("email.send", to=to).result_sync(60) == f"sent to {to}, attempt 1 of 4"
    sent = broker.naq("enqueue", "email.send", "--args", json.dumps({"to": to}), "--id", "large", "--compress", "lz4")
    assert sent.returncode == 0, sent.stderr
    result = asyncio.run(naq.Client().result("large", timeout=60))
    assert result == f"sent to {to}, attempt 1 of 4"


def test_async_programs_have_the_same_verbs():
    async def program():
        async with naq.Client() as client:
            jobs = [await client.enqueue("add", n, 1) for n in range(20)]
            return await asyncio.gather(*(job.result(60) for job in jobs))

    assert asyncio.run(program()) == list(range(1, 21))


def test_retries_follow_the_options_and_the_classes():
    job = naq.enqueue_sync(
        "flaky", 2, max_retries=3, retry_delay=[0.01, 0.02], retry_on=(ConnectionError,), queue_name="retry_queue"
    )
    assert job.result_sync(60)["attempt"] == 3
    for error, options in (
        ("ValueError", {"ignore_on": (ValueError,)}),
        ("TimeoutError", {"retry_on": (ConnectionError,)}),
    ):
        job = naq.enqueue_sync("flaky", 2, error, retry_delay=0.01, **options)
        with pytest.raises(naq.JobExecutionError) as failed:
            job.result_sync(60)
        assert (failed.value.state, failed.value.kind) == ("dead", error)


def test_the_history_says_what_each_attempt_raised(broker):
    job = naq.enqueue_sync("flaky", 1, retry_delay=0.01)
    result = job.result_sync(60)
    kind = "ConnectionError.ConnectionRefusedError"
    assert result["last_error"] == {"kind": kind, "message": "the service is down"}
    history = job.history_sync()
    assert history == shown(broker, job)["attempts"]
    assert [entry.get("error_kind") for entry in history] == [kind, None]


@pytest.mark.parametrize("what", ["snooze", "retry_after"])
def test_a_handler_may_ask_for_another_time(what):
    assert naq.enqueue_sync("advise", what).result_sync(60) == what


@pytest.mark.parametrize(
    "what, state, kind", [("never", "dead", "LookupError.KeyError"), ("cancel", "cancelled", None)]
)
def test_a_handler_may_end_its_job(what, state, kind):
    with pytest.raises(naq.JobExecutionError) as failed:
        naq.enqueue_sync("advise", what).result_sync(60)
    assert (failed.value.state, failed.value.kind) == (state, kind)


def test_an_http_error_has_its_status_as_kind():
    with pytest.raises(naq.JobExecutionError) as failed:
        naq.enqueue_sync("advise", "http", max_retries=0).result_sync(60)
    assert failed.value.kind == "HTTPError.503"


def test_a_checkpoint_is_there_in_the_next_attempt():
    assert naq.enqueue_sync("steps", retry_delay=0.01).result_sync(60) == 1


def test_a_handler_that_dies_is_poison_and_costs_its_neighbours_nothing(broker):
    killer = naq.enqueue_sync("die", retry_delay=0.01)
    others = [naq.enqueue_sync("add", n) for n in range(5)]
    assert [job.result_sync(60) for job in others] == list(range(5))
    with pytest.raises(naq.JobExecutionError) as failed:
        killer.result_sync(60)
    assert (failed.value.state, failed.value.kind) == ("dead", "Crash")
    assert shown(broker, killer)["crashes"] == 3


def test_a_job_waits_until_its_time():
    job = naq.enqueue_in_sync(timedelta(seconds=1), "add", 1)
    assert job.state_sync() in ("waiting", "completed")
    assert job.result_sync(60) == 1
    at = datetime.now(timezone.utc) + timedelta(hours=1)
    assert naq.enqueue_at_sync(at, "add", 1).state_sync() == "waiting"


def test_the_same_id_is_one_job():
    first = naq.enqueue_sync("add", 1, job_id="only-once")
    second = naq.enqueue_sync("add", 1, job_id="only-once")
    assert (first.is_duplicate, second.is_duplicate) == (False, True)


def test_a_chosen_id_is_one_job_also_if_another_program_stored_it():
    async def program():
        async with naq.Client() as client:
            await client.enqueue("add", 1, queue_name="nobody-works")
            connection = await client._connection()
            # Without a message id, so that the broker itself knows nothing of it.
            await connection.request("naq.q.nobody-works.by-hand", b'{"task":"add"}')
            job = await client.enqueue("add", 1, job_id="by-hand", queue_name="nobody-works")
            return job.is_duplicate, await job.state()

    assert asyncio.run(program()) == (True, "pending")


def test_a_requeued_job_has_the_state_of_its_new_life(broker):
    job = naq.enqueue_sync("advise", "never")
    with pytest.raises(naq.JobExecutionError):
        job.result_sync(60)
    for command in (["queue", "pause", "default"], ["dlq", "requeue", job.job_id]):
        ran = broker.naq(*command)
        assert ran.returncode == 0, ran.stderr
    # The record of its death is still stored.
    assert job.state_sync() == "pending"
    with pytest.raises(TimeoutError):
        job.result_sync(timeout=0.1)
    assert broker.naq("queue", "resume", "default").returncode == 0
    with pytest.raises(naq.JobExecutionError):
        job.result_sync(60)
    assert [entry["outcome"] for entry in job.history_sync()] == ["failed", "requeued", "failed"]


def test_a_job_that_waits_keeps_the_time_at_which_it_was_enqueued(broker):
    for job in (
        naq.enqueue_in_sync(3600, "add", 1),
        naq.enqueue_at_sync(datetime.now(timezone.utc) + timedelta(hours=1), "add", 1),
    ):
        seen = shown(broker, job)
        enqueued, due = (datetime.fromisoformat(seen[name].replace("Z", "+00:00")) for name in ("enqueued_at", "due_at"))
        assert timedelta(minutes=59) < due - enqueued <= timedelta(hours=1)


def test_a_result_that_does_not_come_in_time_and_a_job_that_never_was():
    waits = naq.enqueue_in_sync(3600, "add", 1)
    with pytest.raises(TimeoutError):
        waits.result_sync(timeout=0.1)

    async def missing():
        async with naq.Client() as client:
            await client.result("no-such-job", timeout=30)

    with pytest.raises(naq.JobNotFoundError):
        asyncio.run(missing())


def test_wrong_options_and_names_say_so():
    with pytest.raises(naq.ConfigurationError):
        naq.enqueue_sync("add", queue_name="no.dots")
    with pytest.raises(naq.ConfigurationError):
        naq.enqueue_sync("add", max_retries=-1)
    with pytest.raises(naq.SerializationError):
        naq.enqueue_sync("add", object())
    with pytest.raises(naq.ConfigurationError, match="datetime"):
        naq.enqueue_at_sync("18:00", "add")

    def send(to):
        """A function that takes one argument."""

    with pytest.raises(naq.ConfigurationError, match="max_retry"):
        naq.enqueue_sync(send, to="a", max_retry=4)


def test_a_broker_that_is_not_there_is_one_clear_error(capfd):
    with pytest.raises(naq.NaqConnectionError, match="(?i)connect.*; start one"):
        naq.enqueue_sync("add", nats_url="nats://127.0.0.1:9")
    assert "Traceback" not in capfd.readouterr().err


def test_the_stream_of_a_new_queue_is_as_a_worker_makes_it(broker):
    naq.enqueue_sync("add", 1, queue_name="python-made")
    ran = broker.naq("doctor", "-o", "json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    broker.naq("enqueue", "add", "-q", "rust-made")
    streams = {}
    for queue in ("python-made", "rust-made"):

        async def info(queue=queue):
            async with naq.Client() as client:
                return await client._api(f"STREAM.INFO.NAQ_Q_{queue}", {})

        config = asyncio.run(info())["config"]
        streams[queue] = json.loads(json.dumps(config).replace(queue, "QUEUE"))
    assert streams["python-made"] == streams["rust-made"]
