"""Every Python block of the page that the product was asked for with runs as it is written."""

import pathlib
import re

import pytest

import naq
from naq import enqueue_sync

PAGE = (pathlib.Path(__file__).parents[3] / "examples/02-features/01-job-retries/REFERENCE.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


class AuthenticationError(Exception):
    """The page names it without an import."""


class HTTPError(OSError):
    """The page names it without an import."""


def flaky_task():
    """Runs in the worker, by its name."""


def api_call():
    """Runs in the worker, by its name."""


def test_the_page_has_all_its_blocks():
    assert len(BLOCKS) == 7


@pytest.mark.usefixtures("broker", "worker")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0][:40])
def test_the_block_runs_as_it_is_written(block, capsys):
    names = {
        "enqueue_sync": enqueue_sync,
        "flaky_task": flaky_task,
        "api_call": api_call,
        "AuthenticationError": AuthenticationError,
        "HTTPError": HTTPError,
    }
    exec(compile(block, "REFERENCE.md", "exec"), names)
    if "job" in names:
        assert names["job"].result_sync(timeout=60) in ("flaky", "called")
    options = {name: names[name] for name in ("max_retries", "retry_delay", "retry_strategy", "retry_on", "ignore_on") if name in names}
    if options:
        assert enqueue_sync(flaky_task, **options).result_sync(timeout=60) == "flaky"
    if "list_workers_sync" in block:
        assert re.search(r"^Worker \S+: (idle|busy)$", capsys.readouterr().out, re.MULTILINE)
    assert naq.enqueue_sync is enqueue_sync
