"""The bytes that a signature covers, built only from docs/wire-format.md, against the golden file."""

import base64
import json
from pathlib import Path

import ed25519
import pytest

GOLDEN = Path(__file__).parents[3] / "crates/naq-core/tests/golden/signatures.json"
VECTORS = json.loads(GOLDEN.read_text(encoding="utf-8"))
CASES = VECTORS["jobs"]
# The life of a job that NAQ did not write, and what else a body may leave out.
RECORD_TTL_MS = 3_600_000


def as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def entry(name, value):
    if value is None:
        value = ""
    elif not isinstance(value, str):
        value = as_json(value)
    value = value.encode()
    return f"{name} {len(value)}\n".encode() + value + b"\n"


def without(value, *names):
    return {name: it for name, it in value.items() if name not in names}


def signed_bytes(text):
    """`text` is written without spaces, so that its parts can be written again byte for byte."""
    job = json.loads(text)
    schedule = job.get("signature", {}).get("schedule")
    tags = job.get("tags", [])
    if schedule is None:
        depends_on = job.get("depends_on")
        head = [
            b"naq-job-1\n",
            entry("v", 1),
            entry("codec", "json"),
            entry("queue", job["queue"]),
            entry("id", job["id"]),
            entry("life", job.get("origin") or job["nonce"]),
            entry("enqueued_at", job["enqueued_at"]),
            entry("deadline", job.get("deadline")),
            entry("workflow", job.get("workflow")),
            entry("depends_on", depends_on and without(depends_on, "waived")),
        ]
    else:
        tags = [tag for tag in tags if tag != f"schedule:{schedule}"]
        head = [
            b"naq-schedule-1\n",
            entry("v", 1),
            entry("codec", "json"),
            entry("schedule", schedule),
            entry("queue", job["queue"]),
        ]
    limits = [without(limit, "reserved", "lost") for limit in job.get("limits", [])]
    tail = [
        entry("task", job["task"]),
        entry("args", as_json(job.get("args"))),
        entry("policy", job.get("policy") and as_json(job["policy"])),
        entry("timeout_ms", job.get("timeout_ms")),
        entry("record_ttl_ms", job.get("record_ttl_ms", RECORD_TTL_MS)),
        entry("tags", tags or None),
        entry("unique", job.get("unique")),
        entry("limits", limits or None),
        entry("on_exhausted", job.get("on_exhausted")),
    ]
    return b"".join(head + tail)


def test_the_key_is_an_nkey_of_a_user():
    secret = ed25519.from_nkey(VECTORS["seed"])
    assert ed25519.nkey_seed(secret) == VECTORS["seed"]
    assert ed25519.nkey_public(ed25519.public_of(secret)) == VECTORS["public"]


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_signature_is_that_of_the_bytes_that_the_page_describes(case):
    job = json.loads(case["body"])
    message = signed_bytes(case["body"])
    assert message.decode() == case["signed"]
    assert job["signature"]["key"] == VECTORS["public"]
    signature = base64.b64decode(job["signature"]["sig"])
    assert ed25519.sign(ed25519.from_nkey(VECTORS["seed"]), message) == signature
    public = ed25519.from_nkey(VECTORS["public"])
    assert ed25519.verify(public, message, signature)
    assert not ed25519.verify(public, message + b" ", signature)
