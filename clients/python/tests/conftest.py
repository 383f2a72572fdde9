"""A real broker and a real worker. ``scripts/test-python`` sets the paths of both programs."""

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).parent
SERVER = os.environ.get("NAQ_NATS_SERVER", "nats-server")
NAQ = os.environ.get("NAQ_BINARY", "naq")
PATIENCE = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, what):
    """Waits for a condition, with patience for a busy machine."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Broker:
    def __init__(self, store):
        self.port = free_port()
        self.store = store
        self.url = f"nats://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        command = [SERVER, "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self.store)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listens(self.port), "the broker listens")

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)

    def naq(self, *args):
        env = {**os.environ, "NAQ_NATS_URL": self.url}
        return subprocess.run([NAQ, *args], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = Broker(tmp_path_factory.mktemp("broker"))
    yield broker
    broker.stop()


@pytest.fixture(autouse=True)
def address(request, monkeypatch):
    if "broker" in request.fixturenames:
        monkeypatch.setenv("NAQ_NATS_URL", request.getfixturevalue("broker").url)


class Worker:
    """``naq worker``, with the handlers of a Python module that stays."""

    def __init__(self, broker, folder, *args):
        env = {**os.environ, "NAQ_NATS_URL": broker.url}
        self.log = open(folder / "worker.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([NAQ, "worker", *args], env=env, cwd=folder, stderr=self.log)
        until(lambda: "working on" in self.text(), "the worker works")

    def text(self):
        self.log.seek(0)
        text = self.log.read()
        assert self.process.poll() is None, text
        return text

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()


@pytest.fixture(scope="module")
def worker(broker):
    command = f"{sys.executable} -m naq serve tasks_for_tests"
    worker = Worker(broker, HERE, "default", "retry_queue", "--exec-pool", command, "--lease", "2s", "--compress", "lz4")
    yield worker
    worker.stop()
    (HERE / "worker.log").unlink()
