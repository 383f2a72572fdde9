// A real broker, a real worker, and these handlers under it. `scripts/test-node` sets the paths of both programs.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { ConfigurationError, JobExecutionError, JobNotFoundError, NaqConnectionError, connect } from "naq-client";

const SERVER = process.env.NAQ_NATS_SERVER ?? "nats-server";
const NAQ = process.env.NAQ_BINARY ?? "naq";
const TIMEOUT = 60_000;
const store = mkdtempSync(join(tmpdir(), "naq-node-"));
const processes = [];
let url;
let client;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

async function until(condition, what) {
  for (const end = Date.now() + TIMEOUT; Date.now() < end; await sleep(20)) {
    if (await condition()) return;
  }
  throw new Error(`${what}: not in time`);
}

const listens = (port) =>
  new Promise((resolve) => {
    const probe = connectTcp(port, "127.0.0.1", () => resolve(true) ?? probe.destroy());
    probe.once("error", () => resolve(false));
  });

before(async () => {
  const port = await freePort();
  url = `nats://127.0.0.1:${port}`;
  processes.push(spawn(SERVER, ["-js", "-a", "127.0.0.1", "-p", String(port), "-sd", store], { stdio: "ignore" }));
  await until(() => listens(port), "the broker listens");
  const command = `${process.execPath} ${join(import.meta.dirname, "tasks.js")}`;
  const args = ["worker", "default", "--exec-pool", command, "--lease", "2s"];
  const worker = spawn(NAQ, args, { cwd: store, env: { ...process.env, NAQ_NATS_URL: url }, stdio: ["ignore", "ignore", "pipe"] });
  processes.push(worker);
  let log = "";
  worker.stderr.on("data", (text) => (log += text));
  await until(() => log.includes("working on"), "the worker works");
  client = await connect({ url });
});

after(async () => {
  await client?.close();
  for (const one of processes.reverse()) {
    one.kill();
    await once(one, "exit");
  }
  rmSync(store, { recursive: true });
});

const run = async (task, args, options) => (await client.enqueue(task, args, options)).result({ timeout: TIMEOUT });

async function failure(task, args, options) {
  const error = await run(task, args, options).then(() => undefined, (err) => err);
  assert.ok(error instanceof JobExecutionError, `${error}`);
  return [error.state, error.kind];
}

test("a job goes to its handler and its result comes back", async () => {
  assert.equal(await run("add", [1, 2, 3]), 6);
  assert.equal(await run("email.send", { to: "a@example.com" }), "sent to a@example.com, attempt 1 of 4");
});

test("retries follow the options, and the history says what each attempt threw", async () => {
  const job = await client.enqueue("flaky", { fails: 2 }, { maxRetries: 3, retryDelay: [10, 20], retryOn: ["ConnectionError"] });
  const lastError = { kind: "ConnectionError.refused", message: "the service is down" };
  assert.deepEqual(await job.result({ timeout: TIMEOUT }), { attempt: 3, lastError });
  assert.deepEqual((await job.history()).map((entry) => entry.delay_ms), [10, 20, undefined]);
  assert.deepEqual(await failure("flaky", { fails: 2 }, { retryOn: ["TimeoutError"] }), ["dead", "ConnectionError.refused"]);
});

test("a handler says what follows", async () => {
  for (const what of ["snooze", "retry_after"]) assert.equal(await run("advise", what), what);
  assert.deepEqual(await failure("advise", "never"), ["dead", "RangeError"]);
  assert.deepEqual(await failure("advise", "cancel"), ["cancelled", undefined]);
  assert.deepEqual(await failure("advise", "http", { maxRetries: 0 }), ["dead", "HTTPError.503"]);
  assert.equal(await run("steps", null, { retryDelay: 10 }), 1);
});

test("a handler that dies is poison and costs its neighbours nothing", async () => {
  const killer = await client.enqueue("die", null, { retryDelay: 10 });
  assert.deepEqual(await Promise.all([1, 2, 3].map((n) => run("add", [n]))), [1, 2, 3]);
  await assert.rejects(killer.result({ timeout: TIMEOUT }), { state: "dead", kind: "Crash" });
});

test("a job waits until its time, and the same id is one job", async () => {
  assert.equal(await run("add", [1], { delay: 500 }), 1);
  const later = await client.enqueue("add", [1], { at: Date.now() + 3_600_000 });
  assert.equal(await later.state(), "waiting");
  await assert.rejects(later.result({ timeout: 50 }), { name: "TimeoutError" });
  const ids = [await client.enqueue("add", [1], { id: "once" }), await client.enqueue("add", [1], { id: "once" })];
  assert.deepEqual(ids.map((job) => job.isDuplicate), [false, true]);
});

test("a requeued job has the state of its new life", async () => {
  const naq = (...args) => execFileSync(NAQ, args, { env: { ...process.env, NAQ_NATS_URL: url } });
  const job = await client.enqueue("advise", "never");
  await assert.rejects(job.result({ timeout: TIMEOUT }), { state: "dead" });
  naq("queue", "pause", "default");
  naq("dlq", "requeue", job.id);
  // The record of its death is still stored.
  assert.equal(await job.state(), "pending");
  await assert.rejects(job.result({ timeout: 50 }), { name: "TimeoutError" });
  naq("queue", "resume", "default");
  await assert.rejects(job.result({ timeout: TIMEOUT }), { state: "dead" });
  assert.deepEqual((await job.history()).map(({ outcome }) => outcome), ["failed", "requeued", "failed"]);
});

test("workers are listed", async () => {
  await until(async () => (await client.listWorkers()).length === 1, "the worker is listed");
  const [worker] = await client.listWorkers();
  assert.deepEqual(worker.queues, ["default"]);
});

test("the stream of a new queue is as a worker makes it", async () => {
  await client.enqueue("add", [1], { queue: "node-made" });
  execFileSync(NAQ, ["doctor"], { env: { ...process.env, NAQ_NATS_URL: url } });
});

test("what is wrong says so", async () => {
  await assert.rejects(client.enqueue("add", null, { queue: "no.dots" }), ConfigurationError);
  await assert.rejects(client.enqueue("no name"), ConfigurationError);
  await assert.rejects(client.enqueue("add", null, { attempts: 3 }), /unknown option attempts; the options are .*maxRetries/);
  await assert.rejects(client.enqueue("add", 1n), ConfigurationError);
  await assert.rejects(client.result("no-such-job"), JobNotFoundError);
  await assert.rejects(connect({ url: "nats://127.0.0.1:9", nats: { maxReconnectAttempts: 0 } }), NaqConnectionError);
});
