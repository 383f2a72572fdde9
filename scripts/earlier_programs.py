"""Builds the programs of an earlier commit, and runs them over a broker: for scripts/test-upgrade and scripts/make-corpus."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
# Longer than any step takes on a busy machine.
PATIENCE = 120


class Mistake(Exception):
    """What is wrong, in one text."""


def fail(what, then):
    print(f"{pathlib.Path(sys.argv[0]).name}: {what}\nnext: {then}", file=sys.stderr)
    sys.exit(1)


def run(*command, **how):
    """Runs a program and returns its output."""
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, **how)
    if ran.returncode != 0:
        raise Mistake(f"{' '.join(map(str, command))} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def build(source, target):
    """Builds `naq` and its example binary, and returns their paths."""
    command = ["cargo", "build", "--locked", "--package", "naq-cli", "--bin", "naq", "--example", "own_binary"]
    built = subprocess.run(command, cwd=source, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    if built.returncode != 0:
        fail(f"the programs of {source} do not build", "see the errors above")
    return target / "debug" / "naq", target / "debug" / "examples" / "own_binary"


def build_earlier(revision):
    """The programs of an earlier commit. They are built once."""
    kept = TARGET / "upgrade" / revision
    programs = kept / "naq", kept / "own_binary"
    if all(program.is_file() for program in programs):
        return programs
    if subprocess.run(["git", "cat-file", "-e", revision + "^{commit}"], cwd=ROOT, stderr=subprocess.DEVNULL).returncode:
        fail(f"there is no commit {revision}", "fetch the whole history: git fetch --unshallow")
    source = TARGET / "upgrade" / "source"
    if source.exists():
        run("git", "worktree", "remove", "--force", str(source), cwd=ROOT)
    run("git", "worktree", "prune", cwd=ROOT)
    run("git", "worktree", "add", "--detach", str(source), revision, cwd=ROOT)
    try:
        built = build(source, TARGET / "upgrade" / "build")
        kept.mkdir(parents=True, exist_ok=True)
        for found, program in zip(built, programs):
            shutil.copy2(found, program)
        return programs
    finally:
        run("git", "worktree", "remove", "--force", str(source), cwd=ROOT)


def until(what, check):
    """Waits until `check` returns something true, and returns it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise Mistake(f"not within {PATIENCE} s: {what}")


class Side:
    """The programs of one commit."""

    def __init__(self, name, programs, url, folder):
        self.name = name
        self.naq_program, self.own = programs
        self.folder = folder
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NAQ_")}
        self.env = {**clean, "NAQ_NATS_URL": url, "NAQ_CONFIG_DIR": str(folder)}

    def naq(self, *args, **how):
        return run(self.naq_program, *args, env=self.env, **how)

    def json(self, *args):
        return json.loads(self.naq(*args, "-o", "json"))

    def enqueue(self, *args):
        return self.naq("enqueue", *args).strip()

    def enqueue_many(self, queue, job, number):
        jobs = self.folder / "jobs.jsonl"
        jobs.write_text((json.dumps(job) + "\n") * number)
        sent = self.naq("enqueue", "--file", str(jobs), "--queue", queue, "-o", "jsonl")
        return [json.loads(line)["id"] for line in sent.splitlines()]

    def show(self, id):
        return self.json("job", "show", id)

    @contextlib.contextmanager
    def worker(self, queue, name, *options):
        """A worker, which ends by SIGTERM and must end well."""
        log = self.folder / f"{name}.log"
        with open(log, "w") as out:
            command = [self.own, "worker", queue, "--name", name, "--lease", "10s", *options]
            child = subprocess.Popen(command, env=self.env, stdout=out, stderr=out)
            try:
                yield
                child.send_signal(signal.SIGTERM)
                if child.wait(PATIENCE) != 0:
                    raise Mistake(f"{name} ended with {child.returncode}:\n{log.read_text()}")
            finally:
                child.kill()
                child.wait()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def broker(folder, settings=""):
    """A broker on this machine, with these lines of settings. Gives its URL and its port."""
    server = os.environ.get("NAQ_NATS_SERVER") or run("bash", "scripts/nats-server", cwd=ROOT).strip()
    port = free_port()
    (folder / "nats.conf").write_text(settings)
    command = [server, "-c", str(folder / "nats.conf"), "-js", "-a", "127.0.0.1", "-p", str(port), "-sd", str(folder / "store")]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until("the broker answers", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        yield f"nats://127.0.0.1:{port}", port
    finally:
        child.terminate()
        child.wait()
