"""Enqueues whose answer is lost, or is a refusal: which job has the id?"""

import asyncio
import json

import pytest

import naq
from naq._state import Stored

STORED, DUPLICATE = {"seq": 1}, {"seq": 1, "duplicate": True}
OCCUPIED = {"error": {"err_code": 10071, "description": "wrong last sequence: 1"}}
IN_PROCESS = {"error": {"err_code": 10158, "description": "duplicate message id is in process"}}
LOST = None


class Broker(naq.Client):
    """Gives these answers to publishes, and finds this after each of them."""

    def __init__(self, answers, found=()):
        super().__init__()
        self.answers, self.found, self.sent = list(answers), list(found), []

    async def _connection(self):
        return self

    async def request(self, subject, body, timeout, headers):
        self.sent.append((json.loads(body)["nonce"], headers))
        answer = self.answers.pop(0)
        if answer is LOST:
            raise asyncio.TimeoutError
        return type("Answer", (), {"data": json.dumps(answer).encode()})

    async def _look(self, queue, job):
        if not self.sent or not self.found:
            return []
        nonce = self.sent[0][0] if self.found[0] == "own" else "another"
        return [Stored("q", 1, 0, {"Naq-Step": f"{nonce}/1/0"}, b"{}")]


@pytest.mark.parametrize(
    "job_id, answers, found, is_duplicate, sends",
    [
        (None, [STORED], [], False, 1),
        (None, [LOST, DUPLICATE], [], False, 2),
        (None, [IN_PROCESS, DUPLICATE], [], False, 2),
        ("chosen", [STORED], [], False, 1),
        ("chosen", [DUPLICATE], [], True, 1),
        ("chosen", [OCCUPIED], [], True, 1),
        ("chosen", [LOST], ["own"], False, 1),
        ("chosen", [LOST], ["other"], True, 1),
        ("chosen", [LOST, STORED], [], False, 2),
    ],
)
def test_a_lost_answer_makes_no_duplicate_of_itself(job_id, answers, found, is_duplicate, sends):
    client = Broker(answers, found)
    job = asyncio.run(client.enqueue_task("add", 1, job_id=job_id))
    assert (job.is_duplicate, len(client.sent)) == (is_duplicate, sends)
    assert [headers.get("Naq-Suspect") for _, headers in client.sent] == [None, "1"][:sends]
    assert {headers.get("Nats-Expected-Last-Subject-Sequence") for _, headers in client.sent} == {"0" if job_id else None}
