"""Compressed and encrypted values, against the golden file of the Rust side."""

import base64
import json
from pathlib import Path

import pytest

from naq._errors import NaqException
from naq._stored import decompressed, plain, shown

GOLDEN = Path(__file__).parents[3] / "crates/naq-core/tests/golden/compressed.json"
VECTORS = json.loads(GOLDEN.read_text(encoding="utf-8"))


def named(cases):
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", named(VECTORS["values"]))
def test_a_compressed_value_is_read(case):
    codec, data = decompressed(case["compressed"])
    assert (codec, data) == (case["codec"], base64.b64decode(case["plain"]))
    if codec == "json":
        assert plain(case["compressed"], "it") == json.loads(data)
    else:
        with pytest.raises(NaqException, match="it is in msgpack"):
            plain(case["compressed"], "it")


@pytest.mark.parametrize("case", named(VECTORS["refused"]))
def test_a_compressed_value_that_was_changed_is_refused(case):
    with pytest.raises(NaqException, match="the result cannot be decompressed"):
        plain(case["compressed"], "the result")


@pytest.mark.parametrize("version", [1, 2])
def test_an_encrypted_value_is_refused_with_the_name_of_its_key(version):
    text = f"naq:sealed:{version}:k2:AAAA"
    with pytest.raises(NaqException, match="the result is encrypted with key k2"):
        plain(text, "the result")
    assert shown(text) == "encrypted with key k2"


@pytest.mark.parametrize("value", ["naq", 7, None, {"a": "naq:lz4:1:"}])
def test_other_values_stay_as_they_are(value):
    assert plain(value, "it") == value


def test_other_messages_stay_as_they_are():
    assert [shown(text) for text in ("busy", "", None)] == ["busy", "", None]
