"""Runs docs/gateway.md, and compares each answer with the OpenAPI document. See scripts/test-gateway."""

import http.client
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

import jsonschema
import openapi_spec_validator

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = json.loads((ROOT / "crates/naq-gateway/src/openapi.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs/gateway.md").read_text(encoding="utf-8")
NAQ = os.environ["NAQ_BINARY"]
PATIENCE = 60
# All answers: method, path, status, content type, body.
answers = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, check):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            if check():
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"test-gateway: waited {PATIENCE} s for: {what}")


def recorder(gateway):
    """A server that passes each request on to the gateway, and keeps the answers."""

    class Recorder(http.server.BaseHTTPRequestHandler):
        def pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection("127.0.0.1", gateway, timeout=PATIENCE + 30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            there.request(self.command, self.path, body, headers)
            answer = there.getresponse()
            text = answer.read()
            answers.append((self.command, self.path, answer.status, dict(answer.getheaders()), text.decode()))
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = pass_on

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def operation(method, path):
    """The path of the document, and the operation, of a request."""
    path = path.split("?")[0]
    for pattern, item in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in item:
            return pattern, item[method.lower()]
    return None, None


def resolve(node):
    while "$ref" in node:
        target = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def validate(instance, schema):
    # The document is the root, so that references into it are found.
    jsonschema.Draft202012Validator({"components": DOCUMENT["components"], **schema}).validate(instance)


def mistake(method, path, status, headers, text):
    """What the document does not say of this answer."""
    _, call = operation(method, path)
    if call is None:
        return "the document does not have this call"
    described = call["responses"].get(str(status))
    if described is None:
        return f"the document does not have the status {status}"
    described = resolve(described)
    content_type = headers.get("content-type", "").split(";")[0]
    if content_type not in described["content"]:
        return f"the document does not have the content type {content_type!r} for {status}"
    schema = described["content"][content_type]["schema"]
    lines = content_type == "application/x-ndjson"
    try:
        for line in text.splitlines() if lines else [text]:
            validate(json.loads(line), {"$ref": "#/components/schemas/LineAnswer"} if lines else schema)
    except jsonschema.ValidationError as err:
        return f"the answer does not fit the schema: {err.message} at {err.json_path}: {text}"
    for name in described.get("headers", {}):
        # A broker that refuses says no time.
        if name.lower() not in headers and name != "Retry-After":
            return f"the header {name} is missing"
    return None


def blocks():
    return [block for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "curl" in block]


def naq(url, *words, **more):
    return subprocess.run([NAQ, *words], env={**clean_env(), "NAQ_NATS_URL": url}, check=True, text=True, capture_output=True, **more).stdout


def clean_env():
    return {name: value for name, value in os.environ.items() if not name.startswith("NAQ_")}


def errors(port, web, ops):
    """Requests that are refused, each with its status."""
    job = '{"task": "email.send", "args": 1}'
    jobs = "/v1/queues/mail/jobs"
    lines = {"Content-Type": "application/x-ndjson"}
    for status, method, path, key, body, headers in (
        (401, "POST", jobs, None, job, {}),
        (403, "POST", "/v1/queues/money/jobs", web, job, {}),
        (403, "GET", "/v1/workers", web, None, {}),
        (400, "POST", jobs, ops, "{", {}),
        (415, "POST", jobs, ops, job, {"Content-Type": "text/plain"}),
        (413, "POST", jobs, ops, "{}\n" * 1001, lines),
        (200, "POST", jobs, ops, f"{job}\n{{}}\n", lines),
        (201, "POST", jobs, ops, job, {"Idempotency-Key": "a"}),
        (200, "POST", jobs, ops, job, {"Idempotency-Key": "a"}),
        (422, "POST", jobs, ops, '{"task": "email.send"}', {"Idempotency-Key": "a"}),
        (422, "POST", jobs, ops, '{"task": "email.send", "depends_on": ["unknown"]}', {}),
        (404, "GET", "/v1/jobs/mail/unknown", ops, None, {}),
        (400, "GET", "/v1/jobs/mail/a?wait=1", ops, None, {}),
        (409, "POST", "/v1/jobs/mail/mistake/cancel", ops, None, {}),
        (409, "POST", "/v1/jobs/mail/mistake/retry-now", ops, None, {}),
        (409, "POST", "/v1/dead-letters/mail/mistake/requeue", ops, None, {}),
    ):
        here = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        sent = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {}), **headers}
        here.request(method, path, body, sent)
        answer = here.getresponse()
        text = answer.read().decode()
        if answer.status != status:
            yield f"{method} {path} with {body!r} has the status {answer.status} instead of {status}: {text}"


def run(folder, started):
    broker, port = free_port(), free_port()
    url = f"nats://127.0.0.1:{broker}"
    env = {**clean_env(), "NAQ_NATS_URL": url}

    def start(*command):
        log = open(folder / f"log-{len(started)}", "w", encoding="utf-8")
        started.append(subprocess.Popen(command, env=env, cwd=folder, stdout=log, stderr=log))

    start(os.environ["NAQ_NATS_SERVER"], "-js", "-a", "127.0.0.1", "-p", str(broker), "-sd", str(folder / "store"))
    wait_for("the broker", lambda: socket.create_connection(("127.0.0.1", broker), 1).close() is None)
    keys = str(folder / "keys")
    web = naq(url, "gateway", "key", "add", "web", "--keys", keys, "--queues", "mail", "--tasks", "email.*", "--rate", "50").strip()
    ops = naq(url, "gateway", "key", "add", "ops", "--keys", keys, "--operate").strip()
    start(NAQ, "gateway", "--keys", keys, "--port", str(port))
    start(NAQ, "worker", "mail", "--exec", "email.send=cat", "--exec", "email.break=exit64")

    def ready():
        here = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        here.request("GET", "/readyz")
        return here.getresponse().status == 200

    wait_for("the gateway", ready)
    naq(url, "schedule", "add", "hourly", "email.send", "--every", "1h", "--queue", "mail")
    naq(url, "enqueue", "email.break", "--queue", "mail", "--id", "broken")
    wait_for("a dead letter", lambda: "broken" in naq(url, "dlq", "list"))
    recording = recorder(port)
    mistakes = []
    for block in blocks():
        script = block.replace("localhost:8090", f"localhost:{recording}")
        before = len(answers)
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env={**env, "WEB": web, "OPS": ops}, cwd=folder, text=True, capture_output=True)
        wrong = [f"{answer[0]} {answer[1]}: {answer[2]} {answer[4]}" for answer in answers[before:] if answer[2] >= 400]
        if ran.returncode or wrong or len(answers) - before != block.count("curl "):
            mistakes.append(f"this block fails: {wrong} {ran.stdout} {ran.stderr}\n{block}")
    mistakes += errors(recording, web, ops)
    for answer in answers:
        if found := mistake(*answer):
            mistakes.append(f"{answer[0]} {answer[1]} {answer[2]}: {found}")
    called = {(operation(method, path)[0], method.lower()) for method, path, status, *_ in answers if status < 300}
    for path, item in DOCUMENT["paths"].items():
        for method in item:
            if method != "parameters" and (path, method) not in called:
                mistakes.append(f"the page has no curl of {method.upper()} {path}")
    waited = [json.loads(answer[4]) for answer in answers if "wait=30s" in answer[1]]
    if [job.get("state") for job in waited] != ["completed"]:
        mistakes.append(f"the wait did not end with the job: {waited}")
    return mistakes


def main():
    openapi_spec_validator.validate(DOCUMENT)
    started = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # A command that ends with 64, which is never retried.
        (folder / "exit64").write_text("#!/bin/sh\nexit 64\n", encoding="utf-8")
        (folder / "exit64").chmod(0o755)
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
        try:
            mistakes = run(folder, started)
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()
        if mistakes:
            print("\n".join(mistakes))
            for log in sorted(folder.glob("log-*")):
                print(f"--- {log.name}\n{log.read_text(encoding='utf-8')[-3000:]}")
            return 1
    print(f"docs/gateway.md: {len(blocks())} blocks, {len(answers)} answers, each as the document says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
