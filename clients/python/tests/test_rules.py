"""Kinds, policies, arguments and signatures: pure functions."""

import json
import pathlib
from datetime import datetime, timedelta, timezone

import pytest

from naq import ConfigurationError, SerializationError
from naq._args import from_args, to_args, to_json
from naq._kinds import kind_of, kind_of_class, kinds_of
from naq._message import rfc3339
from naq._policy import policy
from naq._signature import is_signed
from naq._streams import copies, queue_stream
from naq._tasks import name_of


class AuthenticationError(Exception):
    pass


class TokenExpired(AuthenticationError):
    pass


class HTTPError(OSError):
    def __init__(self, code):
        super().__init__(f"status {code}")
        self.code = code


@pytest.mark.parametrize(
    "cls, kind",
    [
        (ConnectionError, "ConnectionError"),
        (ConnectionRefusedError, "ConnectionError.ConnectionRefusedError"),
        (TimeoutError, "TimeoutError"),
        (PermissionError, "PermissionError"),
        (ValueError, "ValueError"),
        (UnicodeDecodeError, "ValueError.UnicodeError.UnicodeDecodeError"),
        (FileNotFoundError, "OSError.FileNotFoundError"),
        (KeyError, "LookupError.KeyError"),
        (AuthenticationError, "AuthenticationError"),
        (TokenExpired, "AuthenticationError.TokenExpired"),
        (HTTPError, "HTTPError"),
        (Exception, "Error"),
    ],
)
def test_the_kind_of_a_class_has_its_bases(cls, kind):
    assert kind_of_class(cls) == kind


def test_an_http_error_has_its_status():
    assert kind_of(HTTPError(503)) == "HTTPError.503"


def test_a_base_of_naqs_own_kinds_names_them_too():
    assert kinds_of((OSError,)) == ["OSError", "ConnectionError", "TimeoutError", "PermissionError"]
    assert kinds_of(("HTTPError.503", ValueError)) == ["HTTPError.503", "ValueError"]
    assert kinds_of(ValueError) == ["ValueError"]


def test_a_policy_has_the_form_of_the_wire():
    assert policy() is None
    assert policy(max_retries=3, retry_delay=5) == {"max_retries": 3, "delay_ms": 5000}
    assert policy(retry_delay=[2, 0.1, timedelta(seconds=10)])["delay_ms"] == [2000, 100, 10000]
    assert policy(retry_delay=0.0001)["delay_ms"] == 1
    assert policy(retry_strategy="exponential", max_delay=60, jitter="full", retry_for=90) == {
        "strategy": "exponential",
        "max_delay_ms": 60000,
        "jitter": "full",
        "retry_for_ms": 90000,
    }
    rules = policy(retry_on=(ConnectionError, TimeoutError), ignore_on=(ValueError, AuthenticationError))
    assert rules == {
        "retry_on": ["ConnectionError", "TimeoutError"],
        "ignore_on": ["ValueError", "AuthenticationError"],
    }
    assert policy(retry_on=Exception) == {"retry_on": []}


@pytest.mark.parametrize(
    "options",
    [
        {"max_retries": -1},
        {"max_retries": True},
        {"max_retries": 1.5},
        {"retry_delay": -1},
        {"retry_delay": float("nan")},
        {"retry_delay": []},
        {"retry_delay": "5"},
        {"retry_strategy": "cubic"},
        {"ignore_on": Exception},
    ],
)
def test_a_wrong_option_is_refused_where_it_enters(options):
    with pytest.raises(ConfigurationError):
        policy(**options)


@pytest.mark.parametrize(
    "args, kwargs, wire",
    [
        ((), {}, None),
        ((1, "a"), {}, [1, "a"]),
        ((), {"to": "a"}, {"to": "a"}),
        ((1,), {"to": "a"}, {"args": [1], "kwargs": {"to": "a"}}),
        (({"to": "a"},), {}, [{"to": "a"}]),
        ((), {"args": [1], "kwargs": {}}, {"args": [], "kwargs": {"args": [1], "kwargs": {}}}),
    ],
)
def test_arguments_come_back_as_they_went(args, kwargs, wire):
    assert to_args(args, kwargs) == wire
    assert from_args(wire) == (list(args), kwargs)


def test_a_value_of_another_program_is_the_only_argument():
    assert from_args(7) == ([7], {})


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, object()])
def test_what_is_no_json_is_refused_where_it_enters(value):
    with pytest.raises(SerializationError):
        to_json(value, "the arguments")


def test_a_task_has_the_name_of_its_function_or_the_one_it_was_given():
    assert name_of(test_a_policy_has_the_form_of_the_wire) == "test_a_policy_has_the_form_of_the_wire"
    assert name_of("email.send") == "email.send"
    with pytest.raises(ConfigurationError):
        name_of(lambda: None)


def test_times_are_rounded_up_so_that_nothing_is_early():
    time = datetime(2026, 11, 29, 12, 0, 0, 999001, tzinfo=timezone.utc)
    assert rfc3339(time) == "2026-11-29T12:00:01.000Z"


def test_a_signature_is_the_one_that_the_worker_makes():
    # The same value as in the worker's own test.
    header = "t=1732900000,v1=5dc5ae15ba300e7922a6420d30fc34c70a7649073b7c98032da47768dbd0fe48"
    key, now = "0123456789abcdef", 1732900000.0
    assert is_signed(key, header, "/naq/a", b"{}", now)
    assert is_signed(f"another-key-of-16,{key}", header, "/naq/a", b"{}", now + 299)
    assert not is_signed("another-key-of-16", header, "/naq/a", b"{}", now)
    assert not is_signed(key, header, "/naq/b", b"{}", now)
    assert not is_signed(key, header, "/naq/a", b"{ }", now)
    assert not is_signed(key, header, "/naq/a", b"{}", now + 301)
    for broken in (None, "", "v1=x", "t=now,v1=x", "t=1732900000"):
        assert not is_signed(key, broken, "/naq/a", b"{}", now)


def test_the_settings_on_the_page_are_those_that_a_client_creates():
    page = (pathlib.Path(__file__).parents[3] / "docs/wire-format.md").read_text(encoding="utf-8")
    block = page.split("### Create a queue")[1].split("```text\n")[1].split("```")[0]
    assert json.loads(block) == queue_stream("naq", "default", 1, "file")


def test_the_copies_that_are_written_down_hold_for_each_program():
    for state, configured, clustered, expected in [
        ({"num_replicas": 3, "metadata": {"naq_replicas": "3"}}, 1, True, 3),
        ({"num_replicas": 1, "metadata": {"naq_replicas": "1"}}, 0, True, 1),
        ({"num_replicas": 1, "metadata": {"naq_replicas": "x"}}, 0, True, 3),
        ({"num_replicas": 5, "metadata": None}, 0, True, 5),
        ({}, 0, True, 3),
        ({}, 1, True, 1),
        ({}, 0, False, 1),
    ]:
        assert copies(state, configured, clustered) == expected
