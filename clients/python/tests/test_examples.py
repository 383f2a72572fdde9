"""The example programs in Python end as they say."""

import os
import pathlib
import subprocess
import sys

import pytest

from conftest import PATIENCE, Worker

FOLDER = pathlib.Path(__file__).parents[3] / "examples/02-features/01-job-retries"


@pytest.fixture(scope="module")
def example_worker(broker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    for file in FOLDER.glob("*.py"):
        (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    # The same file, with this Python in place of the one in PATH.
    text = (FOLDER / "naq.toml").read_text(encoding="utf-8").replace("python3 ", f"{sys.executable} ")
    (folder / "naq.toml").write_text(text, encoding="utf-8")
    worker = Worker(broker, folder, "default", "retry_queue", "--log-level", "DEBUG")
    yield folder
    worker.stop()


@pytest.mark.parametrize("program", ["basic_retries.py", "advanced_retries.py", "realistic_scenarios.py"])
def test_the_program_ends_with_its_table(broker, example_worker, program):
    env = {**os.environ, "NAQ_NATS_URL": broker.url}
    ran = subprocess.run(
        [sys.executable, program], cwd=example_worker, env=env, capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "as expected" in ran.stdout
