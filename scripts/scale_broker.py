"""The nats-servers that scripts/measure-scale starts, and what their processes cost. Linux only: it reads /proc."""

import contextlib
import gzip
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# Longer than elections and restarts take on a busy machine.
PATIENCE = 90


class Mistake(Exception):
    """What went wrong, in one text."""


def free_ports(count):
    """Ports that nothing listens on now."""
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def cpu_seconds(pid):
    """User and system time of a process. On a busy machine it says more than the time on the clock."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_bytes(pid):
    """The resident memory of a process."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def written_bytes(pid):
    """What a process had the kernel write to disks: whole pages, so more than it stored."""
    lines = pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
    counts = {name: int(value) for name, value in (line.split(": ") for line in lines)}
    return counts["write_bytes"] - counts["cancelled_write_bytes"]


def folder_bytes(folder):
    """The size of all files below a folder."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def wait_until(what, done):
    """Asks `done` until it returns something true, and returns that."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, KeyError):
            if found := done():
                return found
        time.sleep(0.1)
    raise Mistake(f"{what}: not within {PATIENCE} s")


class Server:
    """One nats-server process with JetStream on loopback."""

    def __init__(self, program, folder, place, ports, routes):
        self.name = f"n{place}"
        self.port, self.monitor, self.profiler, cluster = ports
        self.program, self.folder, self.store = program, folder, folder / f"store-{place}"
        lines = [
            f"server_name: {self.name}",
            f"listen: '127.0.0.1:{self.port}'",
            f"http: '127.0.0.1:{self.monitor}'",
            f"prof_port: {self.profiler}",
            f"jetstream {{ store_dir: '{self.store}', max_memory_store: 1GB, max_file_store: 50GB }}",
        ]
        if routes:
            listed = ", ".join(f"'nats-route://127.0.0.1:{port}'" for port in routes)
            lines.append(f"cluster {{ name: scale, listen: '127.0.0.1:{cluster}', no_advertise: true, routes: [{listed}] }}")
        self.config = folder / f"{self.name}.conf"
        self.config.write_text("\n".join(lines) + "\n")
        self.start()

    def start(self):
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen([self.program, "-c", str(self.config)], stdout=log, stderr=log)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def get(self, path, port=None, timeout=PATIENCE):
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.monitor}{path}", timeout=timeout) as answer:
            return answer.read()

    def healthy(self):
        return self.get("/healthz", timeout=5).strip() == b'{"status":"ok"}'

    def streams(self):
        """This server's copies of all streams, by name."""
        found = json.loads(self.get("/jsz?accounts=true&streams=true&consumers=true"))
        accounts = found.get("account_details") or []
        return {stream["name"]: stream for account in accounts for stream in account.get("stream_detail") or []}

    def profile(self, seconds):
        """CPU seconds of the next `seconds`, by stream and by the function that a goroutine began with."""
        answer = self.get(f"/debug/pprof/profile?seconds={seconds}", port=self.profiler, timeout=seconds + PATIENCE)
        return read_profile(gzip.decompress(answer))

    def usage(self):
        pid = self.process.pid
        return {"cpu": cpu_seconds(pid), "written": written_bytes(pid)}


class Broker:
    """One server, or a cluster of three, in a folder of its own."""

    def __init__(self, program, folder, count):
        folder.mkdir(parents=True)
        ports = free_ports(4 * count)
        routes = ports[3 * count :] if count > 1 else []
        self.servers = []
        for place in range(count):
            own = [ports[place + kind * count] for kind in range(4)]
            others = [port for port in routes if port != own[3]]
            self.servers.append(Server(program, folder, place, own, others))

    def __enter__(self):
        self.wait_until_healthy()
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()

    def wait_until_healthy(self):
        wait_until("the servers are healthy", lambda: all(server.healthy() for server in self.servers))

    def restart(self):
        """Stops all servers in order, and starts them again: what they hold then is what they need."""
        for server in self.servers:
            server.stop()
        for server in self.servers:
            server.start()
        self.wait_until_healthy()

    def usage(self):
        return [server.usage() for server in self.servers]

    def memory(self):
        return [memory_bytes(server.process.pid) for server in self.servers]

    def messages(self, queues):
        """How many jobs are in these queues, by the first server."""
        streams = self.servers[0].streams()
        return sum(streams[f"NAQ_Q_{queue}"]["state"]["messages"] for queue in queues)

    def move_leader(self, stream, consumer, to):
        """Makes the server at this place the leader of a stream, or of its consumer."""
        kind, path = ("STREAM", stream) if consumer is None else ("CONSUMER", f"{stream}.{consumer}")
        body = json.dumps({"placement": {"preferred": self.servers[to].name}})
        asked = [0.0]

        def moved():
            info = self.request(f"$JS.API.{kind}.INFO.{path}", "")
            if info.get("cluster", {}).get("leader") == self.servers[to].name:
                return True
            # The leader refuses while the other copy lacks a message, and the third server may win.
            if time.monotonic() > asked[0] + 2:
                asked[0] = time.monotonic()
                self.request(f"$JS.API.{kind}.LEADER.STEPDOWN.{path}", body)
            return False

        wait_until(f"{self.servers[to].name} leads {path}", moved)

    def request(self, subject, body):
        """One request to the JetStream API."""
        with socket.create_connection(("127.0.0.1", self.servers[-1].port), 10) as conn:
            text = f'CONNECT {{"verbose":false}}\r\nSUB _INBOX.scale 1\r\nPUB {subject} _INBOX.scale {len(body)}\r\n{body}\r\n'
            conn.sendall(text.encode())
            reader = conn.makefile("rb")
            while line := reader.readline():
                if line.startswith(b"MSG"):
                    return json.loads(reader.read(int(line.split()[-1])))
                if line.startswith(b"PING"):
                    conn.sendall(b"PONG\r\n")
                if line.startswith(b"-ERR"):
                    raise Mistake(f"{subject}: {line.decode().strip()}")
        raise Mistake(f"{subject}: no answer")


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data):
    """The fields of a protobuf message: numbers and values."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise Mistake("the profile has a field of an unknown kind")
        yield key >> 3, value


def numbers(value):
    """A repeated number, packed or not."""
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        one, at = varint(value, at)
        found.append(one)
    return found


def read_profile(data):
    """Reads a CPU profile of Go: rows of stream, what the goroutine is for, where it began, CPU seconds."""
    strings, names, roots, samples = [], {}, {}, []
    for number, value in fields(data):
        if number == 6:
            strings.append(value.decode())
        elif number == 5:
            parts = dict(fields(value))
            names[parts[1]] = parts[2]
        elif number == 4:
            parts = list(fields(value))
            lines = [dict(fields(part)) for key, part in parts if key == 4]
            roots[dict(parts)[1]] = lines[-1].get(1) if lines else None
        elif number == 2:
            samples.append(list(fields(value)))
    rows = {}
    for sample in samples:
        places = [place for key, part in sample if key == 1 for place in numbers(part)]
        values = [one for key, part in sample if key == 2 for one in numbers(part)]
        labels = {}
        for key, part in sample:
            if key == 3:
                label = dict(fields(part))
                labels[strings[label[1]]] = strings[label.get(2, 0)]
        chain = [strings[names[roots[place]]] if roots.get(place) in names else "?" for place in places]
        # The outermost function is the same for all; the one that says most is that of the server.
        own = [name for name in chain if "nats-server" in name and ".startGoRoutine" not in name]
        begun = (own or chain or ["?"])[-1].rpartition("/")[2]
        row = (labels.get("stream", ""), "consumer" if "consumer" in labels else labels.get("type", ""), begun)
        rows[row] = rows.get(row, 0) + values[-1] / 1e9
    return rows
