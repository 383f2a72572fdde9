"""The vectors of the wire format, which the Rust side passes too: crates/naq-core/tests/vectors."""

import asyncio
import io
import json
import pathlib
import re
from datetime import datetime, timedelta

import pytest

import naq
from naq._message import new_job
from naq._policy import policy
from naq._serve import serve_lines
from naq._signature import is_signed
from naq._state import PLACES, Known, Stored, body_of, knows, nanoseconds, newest, state_of, step_of
from naq._streams import queue_stream

VECTORS = pathlib.Path(__file__).parents[3] / "crates/naq-core/tests/vectors"
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
# The options of an order that enqueue has too.
TIMES = {"timeout": "timeout", "record_ttl": "result_ttl"}
POLICY_TIMES = ("max_delay", "retry_for")
POLICY = ("max_retries", "retry_strategy", "retry_on", "ignore_on", "jitter")
OPTIONS = {"task", "id", "args", "in", "at", "deadline", "tags", "policy", "retry_delay", *TIMES, *POLICY_TIMES, *POLICY}


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def named(vectors):
    return [pytest.param(vector, id=vector["name"]) for vector in vectors]


def fits(expected, actual):
    """A star stands for any text, and alone for any value."""
    if expected == "*":
        return True
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(fits(value, actual[name]) for name, value in expected.items())
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(fits, expected, actual))
    if isinstance(expected, str) and isinstance(actual, str):
        return re.fullmatch(".*".join(map(re.escape, expected.split("*"))), actual, re.DOTALL) is not None
    return type(expected) is type(actual) and expected == actual


def test_a_star_stands_for_any_text_and_nothing_else_is_equal():
    assert fits({"a": ["*/1/0"], "b": "*"}, {"a": ["x/1/0"], "b": 7})
    for expected, actual in ((1, True), ({"a": 1}, {"a": 1, "b": 2}), ([1], [1, 2]), ("*/1", "x/2"), ("a", "ab")):
        assert not fits(expected, actual)


def seconds(span):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", span).groups()
    return int(number) * UNITS[unit]


def time(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def options_of(order, now):
    rules = {name: order[name] for name in POLICY if name in order}
    rules.update({name: seconds(order[name]) for name in POLICY_TIMES if name in order})
    if "retry_delay" in order:
        delay = order["retry_delay"]
        rules["retry_delay"] = [seconds(one) for one in delay] if isinstance(delay, list) else seconds(delay)
    options = {TIMES[name]: seconds(order[name]) for name in TIMES if name in order}
    options["policy"] = order.get("policy") or policy(**rules)
    options["tags"] = order.get("tags", ())
    if "deadline" in order:
        options["deadline"] = time(order["deadline"])
    if "at" in order:
        options["due"] = time(order["at"])
    if "in" in order:
        options["due"] = now + timedelta(seconds=seconds(order["in"]))
    return options


PRODUCER = load("producer")
KNOWN = [one for one in PRODUCER["vectors"] if one["order"].keys() <= OPTIONS and "headers" not in one]


@pytest.mark.parametrize("vector", named(KNOWN))
def test_an_order_is_this_message(vector):
    order, now = vector["order"], time(PRODUCER["now"])
    new = new_job(
        "naq",
        vector["queue"],
        order.get("id", "a-random-id"),
        order["task"],
        order.get("args"),
        "0a1b2c3d4e5f",
        is_chosen="id" in order,
        now=now,
        **options_of(order, now),
    )
    # What a reader takes for a field that is not there.
    body = {"attempt": 1, **new.body}
    if new.subject.startswith("naq.q."):
        body["enqueued_at"] = PRODUCER["now"]
    expected = json.loads(json.dumps(vector["message"]))
    if "policy" in order:
        expected["body"]["policy"] = order["policy"]
    actual = {"subject": new.subject, "headers": new.headers, "body": body}
    assert fits(expected, actual), f"{expected}\n{actual}"


def test_most_orders_are_known():
    assert len(KNOWN) >= 20


def normal(config):
    """Without the settings that the broker has by default."""
    limits = ("max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size")
    default = {name: value for name, value in config.items() if not value or (value == -1 and name in limits)}
    return {name: value for name, value in config.items() if name not in default}


def test_the_stream_of_a_queue_has_these_settings():
    file = load("streams")
    config = queue_stream(file["prefix"], file["queue"], file["replicas"], file["storage"])
    request = f"$JS.API.STREAM.CREATE.{config['name']}"
    bodies = [one["body"] for one in file["streams"] if one["request"] == request]
    assert [normal(config)] == [normal(body) for body in bodies]


WAITING = {"scheduled", "retrying", "blocked"}


def stored(message):
    if "marker" in message:
        data = b""
    else:
        data = (message.get("text") or json.dumps(message["body"])).encode()
    place = message["subject"].split(".")[1]
    return Stored(place, message["seq"], nanoseconds(message["time"]), message["headers"], data)


def last_of_each(messages):
    """What a reader gets: the last message on each subject, in the order of its requests."""
    last = {message.place: message for message in messages}
    return [last[place] for place in PLACES if place in last]


@pytest.mark.parametrize("vector", named(load("states")["vectors"]))
def test_messages_say_this_state(vector):
    message = newest(last_of_each(map(stored, vector["messages"])))
    if vector["state"] is None:
        assert message is None
        return
    state = "waiting" if vector["state"] in WAITING else vector["state"]
    assert (state_of(message), f"naq.{message.place}.mail.job-1") == (state, vector["read_from"])
    if "result" in vector:
        assert body_of(message)["result"] == vector["result"]


def test_the_subjects_are_read_in_this_order():
    assert [f"naq.{place}.mail.job-1" for place in PLACES] == load("states")["order"]


def test_a_time_of_the_broker_is_exact():
    assert nanoseconds("2026-01-01T00:00:00Z") == 1_767_225_600_000_000_000
    assert nanoseconds("2026-01-01T00:00:00.1Z") == 1_767_225_600_100_000_000
    assert nanoseconds("2026-01-01T00:00:00.123456789Z") == 1_767_225_600_123_456_789


def test_a_job_by_hand_has_a_life_of_its_sequence_and_time():
    message = Stored("q", 7, 1_767_225_600_123_999_999, {}, b'{"task":"t","attempt":2}')
    assert step_of(message) == ("s7-1767225600123", (2, 0))


def test_a_chosen_id_is_one_job():
    own, other = {"Naq-Step": "a/1/0"}, {"Naq-Step": "b/1/0"}
    died = {**other, "Naq-Died-At": "2026-01-01T00:00:00.000Z"}
    for place, headers, data, known in (
        ("q", other, b"{}", Known.OTHER),
        ("s", other, b"{}", Known.OTHER),
        ("d", died, b"{}", Known.OTHER),
        ("r", other, b"{}", Known.OTHER),
        ("r", died, b"{}", Known.NOTHING),
        ("r", {"Naq-Awaited": "1"}, b"", Known.NOTHING),
        ("q", own, b"{}", Known.THIS),
        ("r", own, b"{}", Known.THIS),
    ):
        assert knows([Stored(place, 1, 0, headers, data)], "a") is known, (place, headers)
    assert knows([Stored("q", 1, 0, own, b"{}")], None) is Known.OTHER
    assert knows([], "a") is Known.NOTHING


@pytest.mark.parametrize("vector", named(load("handler-http")["signatures"]))
def test_a_request_is_signed(vector):
    body = vector["body"].encode()
    for key in vector["keys"].split(","):
        assert is_signed(key, vector["header"], vector["path"], body, vector["seconds"])
        assert not is_signed(key, vector["header"], vector["path"], body + b" ", vector["seconds"])


REQUESTS = [one["request"]["body"] for one in load("handler-http")["vectors"] if "request" in one]
REQUESTS += [one["stdin"] for one in load("handler-command")["vectors"] if "stdin" in one]


def test_each_request_reaches_its_function():
    def work(*args, **kwargs):
        job = naq.current_job()
        seen = {name: getattr(job, name) for name in ("id", "queue", "task", "attempt", "max_attempts", "last_error")}
        return {**seen, "idempotency_key": job.idempotency_key, "checkpoint": job.checkpoint, "args": kwargs or args}

    assert len(REQUESTS) >= 100
    for request in REQUESTS:
        line = json.dumps(request, ensure_ascii=False).encode() + b"\n"
        out = io.BytesIO()
        serve_lines({request["task"]: work}, io.BytesIO(line), out)
        (answer,) = map(json.loads, out.getvalue().splitlines())
        seen = answer["result"]
        args = request["args"]
        # A map is keyword arguments, a list is arguments, and any other value is the only one.
        expected = [] if args is None else args if isinstance(args, (list, dict)) else [args]
        assert (answer["run"], seen.pop("args")) == (request["run"], expected)
        assert seen == {name: request[name] for name in seen}


def test_a_broker_takes_the_settings_of_all_streams_and_consumers(broker):
    """A broker of its own, without a worker: each stream is new."""
    file = load("streams")

    async def program():
        async with naq.Client() as client:
            for made in file["streams"] + file["consumers"]:
                answer = await client._api(made["request"].replace("$JS.API.", "", 1), made["body"])
                assert "error" not in answer, (made["request"], answer)
                asked = made["body"].get("config", made["body"])
                config = answer["config"]
                # The broker adds some of its own.
                metadata = (config.get("metadata") or {}).items()
                config["metadata"] = {key: value for key, value in metadata if not key.startswith("_nats.")}
                assert {name: config.get(name) for name in normal(asked)} == normal(asked)

    asyncio.run(program())


def test_a_broker_stores_the_message_of_each_order(broker):
    async def program():
        async with naq.Client() as client:
            await client._create("mail")
            connection = await client._connection()
            for number, vector in enumerate(PRODUCER["vectors"]):
                text = json.dumps(vector["message"]).replace("*", f"random-{number}").replace("job-1", f"job-{number}")
                message = json.loads(text)
                body = json.dumps(message["body"]).encode()
                ack = json.loads((await connection.request(message["subject"], body, 5, headers=message["headers"])).data)
                assert "error" not in ack and "duplicate" not in ack, (vector["name"], ack)

    asyncio.run(program())
