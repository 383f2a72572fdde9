// `Gateway` against a real gateway, broker and worker.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Gateway, GatewayError, JobExecutionError, JobNotFoundError } from "naq-client";

const SERVER = process.env.NAQ_NATS_SERVER ?? "nats-server";
const NAQ = process.env.NAQ_BINARY ?? "naq";
const TIMEOUT = 60_000;
const folder = mkdtempSync(join(tmpdir(), "naq-node-gateway-"));
const processes = [];
let gateway;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

async function listens(port) {
  const once = () =>
    new Promise((resolve) => {
      const probe = connectTcp(port, "127.0.0.1", () => resolve(true) ?? probe.destroy());
      probe.once("error", () => resolve(false));
    });
  for (const end = Date.now() + TIMEOUT; Date.now() < end; await sleep(20)) {
    if (await once()) return;
  }
  throw new Error(`port ${port}: not in time`);
}

before(async () => {
  const [broker, port] = [await freePort(), await freePort()];
  const env = { ...process.env, NAQ_NATS_URL: `nats://127.0.0.1:${broker}` };
  const start = (...command) => processes.push(spawn(command[0], command.slice(1), { env, cwd: folder, stdio: "ignore" }));
  start(SERVER, "-js", "-a", "127.0.0.1", "-p", String(broker), "-sd", folder);
  await listens(broker);
  const keys = join(folder, "keys");
  const key = execFileSync(NAQ, ["gateway", "key", "add", "ops", "--operate", "--keys", keys], { env, encoding: "utf8" }).trim();
  start(NAQ, "gateway", "--port", String(port), "--keys", keys);
  start(NAQ, "worker", "default", "--exec", "echo=cat", "--exec", "bad=sh -c 'exit 64'");
  await listens(port);
  gateway = new Gateway(`http://127.0.0.1:${port}/`, { key });
  // Until the gateway has its connection to the broker it answers 503, and the request is sent again.
  await gateway.queues();
});

after(async () => {
  for (const process of processes.reverse()) {
    process.kill();
    await once(process, "exit");
  }
  rmSync(folder, { recursive: true, force: true });
});

test("a job and its result", async () => {
  const options = { maxRetries: 1, retryDelay: [500, 2000], retryOn: "ConnectionError", tags: ["a"] };
  const job = await gateway.enqueue("echo", { to: "ann" }, options);
  assert.match(await gateway.result(job.id, "default", { timeout: TIMEOUT }), /"to":"ann"/);
  const shown = await gateway.job(job.id);
  assert.deepEqual([shown.state, shown.tags], ["completed", ["a"]]);
  assert.equal((await gateway.enqueue("echo", null, { id: job.id })).duplicate, true);
});

test("a job that dies is an error and can be requeued", async () => {
  const job = await gateway.enqueue("bad", null, { maxRetries: 0 });
  const result = gateway.result(job.id, "default", { timeout: TIMEOUT });
  await assert.rejects(result, (error) => error instanceof JobExecutionError && error.kind === "ExitCode.64");
  const letters = await gateway.deadLetters({ task: "bad" });
  assert.deepEqual(letters.map((letter) => letter.id), [job.id]);
  assert.equal((await gateway.requeue(job.id, "default", { delay: 3_600_000 })).state, "scheduled");
});

test("debounce and throttle make one job of many calls", async () => {
  const debounced = { queue: "quiet", debounce: "doc-7=1h", maxWait: 7_200_000 };
  const first = await gateway.enqueue("echo", 1, debounced);
  assert.equal((await gateway.enqueue("echo", 2, debounced)).held_by, `quiet/${first.id}`);
  const job = await gateway.job(first.id, "quiet");
  assert.deepEqual([job.state, job.args], ["scheduled", 2]);
  await assert.rejects(gateway.enqueue("echo", 3, { ...debounced, idempotencyKey: "a" }), /both debounce/);
  const throttled = { queue: "quiet", throttle: "doc-7=1h", delay: 3_600_000 };
  const held = await gateway.enqueue("echo", null, throttled);
  assert.equal((await gateway.enqueue("echo", null, throttled)).held_by, `quiet/${held.id}`);
});

test("cancel, unique, dependencies and schedules", async () => {
  const queue = "quiet";
  const unique = { queue, unique: "one", uniqueFor: 60_000 };
  const parent = await gateway.enqueue("echo", null, { ...unique, delay: 3_600_000 });
  assert.equal((await gateway.enqueue("echo", null, unique)).held_by, `${queue}/${parent.id}`);
  const child = await gateway.enqueue("echo", null, { queue, dependsOn: parent.id });
  assert.equal((await gateway.job(child.id, queue)).state, "blocked");
  assert.equal((await gateway.retryNow(parent.id, queue)).state, "pending");
  assert.equal((await gateway.cancel(parent.id, queue, { reason: "a mistake" })).state, "cancelled");
  const made = await gateway.schedule("hourly", "echo", [1], { every: 3_600_000, queue, timeout: 30_000 });
  assert.deepEqual([made.registered, made.every_ms], ["created", 3_600_000]);
  assert.deepEqual((await gateway.schedules()).map((schedule) => schedule.name), ["hourly"]);
  assert.deepEqual([await gateway.unschedule("hourly"), await gateway.unschedule("hourly")], [true, false]);
});

test("errors have their classes", async () => {
  await assert.rejects(gateway.job("missing"), JobNotFoundError);
  await assert.rejects(gateway.enqueue("echo", null, { timout: 5 }), (error) => error instanceof GatewayError && error.kind === "bad-job");
  await assert.rejects(new Gateway(gateway.url, { key: "naqk_wrong" }).queues(), (error) => error.kind === "unauthorized");
  const waiting = await gateway.enqueue("echo", null, { queue: "quiet", delay: 3_600_000 });
  await assert.rejects(gateway.result(waiting.id, "quiet", { timeout: 200 }), { name: "TimeoutError" });
});
