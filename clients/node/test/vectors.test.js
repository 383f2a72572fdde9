// The vectors of the wire format, which the Rust side passes too: crates/naq-core/tests/vectors.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { newJob } from "../src/message.js";
import { policy } from "../src/policy.js";
import { isSigned, serveLines } from "../src/serve.js";
import { PLACES, bodyOf, known, nanoseconds, newest, stateOf, stepOf } from "../src/state.js";
import { queueStream } from "../src/streams.js";

async function load(name) {
  const file = new URL(`../../../crates/naq-core/tests/vectors/${name}.json`, import.meta.url);
  return JSON.parse(await readFile(file, "utf8"));
}

// What stands where the vector has a star becomes a star. Everything else stays, so that it has to be equal.
function starred(expected, actual) {
  if (expected === "*") return actual === undefined ? undefined : "*";
  if (typeof expected === "string" && typeof actual === "string") {
    const parts = expected.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${parts.join("[^]*")}$`).test(actual) ? expected : actual;
  }
  if (typeof expected !== "object" || typeof actual !== "object" || !expected || !actual) return actual;
  if (Array.isArray(actual)) return actual.map((value, index) => starred(expected[index], value));
  return Object.fromEntries(Object.entries(actual).map(([name, value]) => [name, starred(expected[name], value)]));
}

function fits(expected, actual, name) {
  assert.deepEqual(starred(expected, actual), expected, name);
}

test("a star stands for any text and nothing else is equal", () => {
  fits({ a: ["*/1/0"], b: "*" }, { a: ["x/1/0"], b: 7 });
  for (const [expected, actual] of [[{ a: 1 }, { a: 1, b: 2 }], [[1], [1, 2]], [[1, 2], [1]], ["*/1", "x/2"], [{ a: "*" }, {}]]) {
    assert.throws(() => fits(expected, actual), assert.AssertionError);
  }
});

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

function millisOf(span) {
  const [, number, unit] = /^(\d+)(ms|s|m|h)$/.exec(span);
  return Number(number) * UNITS[unit];
}

const each = (delay) => (Array.isArray(delay) ? delay.map(millisOf) : millisOf(delay));
const same = (value) => value;

// The options of an order that enqueue has too: their names, and their values.
const OPTIONS = {
  id: ["id", same],
  args: ["args", same],
  tags: ["tags", same],
  deadline: ["deadline", same],
  timeout: ["timeout", millisOf],
  record_ttl: ["resultTtl", millisOf],
  policy: ["policy", same],
  max_retries: ["maxRetries", same],
  retry_delay: ["retryDelay", each],
  retry_strategy: ["retryStrategy", same],
  retry_on: ["retryOn", same],
  ignore_on: ["ignoreOn", same],
  max_delay: ["maxDelay", millisOf],
  jitter: ["jitter", same],
  retry_for: ["retryFor", millisOf],
  task: ["task", same],
  at: ["at", (text) => new Date(text)],
  in: ["delay", millisOf],
};

test("each order is this message", async () => {
  const file = await load("producer");
  const now = new Date(file.now);
  const orders = file.vectors.filter((it) => !it.headers && Object.keys(it.order).every((name) => name in OPTIONS));
  assert.ok(orders.length >= 20, `${orders.length} orders are known`);
  for (const { name, queue, order, message } of orders) {
    const options = Object.fromEntries(Object.entries(order).map(([key, value]) => [OPTIONS[key][0], OPTIONS[key][1](value)]));
    const job = newJob({
      ...options,
      prefix: "naq",
      queue,
      id: order.id ?? "a-random-id",
      args: order.args ?? null,
      nonce: "0a1b2c3d4e5f",
      isChosen: order.id !== undefined,
      policy: options.policy ?? policy(options),
      due: options.at ?? (options.delay === undefined ? undefined : new Date(now.getTime() + options.delay)),
      now,
    });
    // What a reader takes for a field that is not there.
    const body = { attempt: 1, ...job.body };
    if (job.subject.startsWith("naq.q.")) body.enqueued_at = file.now;
    if (order.policy) message.body.policy = order.policy;
    fits(message, { ...job, body }, name);
  }
});

const LIMITS = ["max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject", "max_msg_size"];

// Without the settings that the broker has by default.
function normal(config) {
  return Object.fromEntries(Object.entries(config).filter(([name, value]) => value && !(value === -1 && LIMITS.includes(name))));
}

test("the stream of a queue has these settings", async () => {
  const { prefix, queue, replicas, storage, streams } = await load("streams");
  const config = queueStream(prefix, queue, replicas, storage);
  const { body } = streams.find(({ request }) => request === `$JS.API.STREAM.CREATE.${config.name}`);
  assert.deepEqual(normal(config), normal(body));
});

function stored({ subject, seq, time, headers, marker, text, body }) {
  const data = marker ? "" : (text ?? JSON.stringify(body));
  return { place: subject.split(".")[1], seq, time: nanoseconds(time), headers, data };
}

test("messages say this state", async () => {
  const { vectors, order } = await load("states");
  assert.deepEqual(PLACES.map((place) => `naq.${place}.mail.job-1`), order);
  for (const { name, messages, state, read_from, result } of vectors) {
    const last = new Map(messages.map(stored).map((message) => [message.place, message]));
    const message = newest(PLACES.flatMap((place) => last.get(place) ?? []));
    if (state === null) {
      assert.equal(message, undefined, name);
      continue;
    }
    const expected = ["scheduled", "retrying", "blocked"].includes(state) ? "waiting" : state;
    assert.deepEqual([stateOf(message), `naq.${message.place}.mail.job-1`], [expected, read_from], name);
    if (result !== undefined) assert.deepEqual(bodyOf(message).result, result, name);
  }
});

test("a time of the broker is exact, and a life by hand is made of it", () => {
  assert.equal(nanoseconds("2026-01-01T00:00:00Z"), 1_767_225_600_000_000_000n);
  assert.equal(nanoseconds("2026-01-01T00:00:00.1Z"), 1_767_225_600_100_000_000n);
  const message = { headers: {}, seq: 7, time: nanoseconds("2026-01-01T00:00:00.123999999Z"), data: '{"task":"t","attempt":2}' };
  assert.deepEqual(stepOf(message), { nonce: "s7-1767225600123", attempt: 2, snoozes: 0 });
});

test("a chosen id is one job", () => {
  const [own, other] = [{ "Naq-Step": "a/1/0" }, { "Naq-Step": "b/1/0" }];
  const died = { ...other, "Naq-Died-At": "2026-01-01T00:00:00.000Z" };
  const message = (place, headers, data = "{}") => ({ place, headers, data, seq: 1, time: 0n });
  for (const [found, expected] of [
    [message("q", other), "other"],
    [message("s", other), "other"],
    [message("d", died), "other"],
    [message("r", other), "other"],
    [message("r", died), "nothing"],
    [message("r", { "Naq-Awaited": "1" }, ""), "nothing"],
    [message("q", own), "this"],
    [message("r", own), "this"],
  ]) {
    assert.equal(known([found], "a"), expected, JSON.stringify(found.headers));
  }
  assert.equal(known([message("q", own)], undefined), "other");
  assert.equal(known([], "a"), "nothing");
});

test("a request is signed", async () => {
  for (const { keys, header, path, body, seconds } of (await load("handler-http")).signatures) {
    for (const key of keys.split(",")) {
      assert.ok(isSigned(key, header, path, body, seconds));
      assert.ok(!isSigned(key, header, path, `${body} `, seconds));
    }
  }
});

test("each request reaches its function", async () => {
  const [http, command] = await Promise.all(["handler-http", "handler-command"].map(load));
  const requests = [...http.vectors.map((it) => it.request?.body), ...command.vectors.map((it) => it.stdin)].filter(Boolean);
  assert.ok(requests.length >= 100);
  for (const request of requests) {
    const work = (args, { id, queue, task, attempt, maxAttempts, lastError, idempotencyKey, checkpoint }) => ({
      ...{ args, id, queue, task, attempt, max_attempts: maxAttempts, last_error: lastError ?? null },
      ...{ idempotency_key: idempotencyKey, checkpoint: checkpoint ?? null },
    });
    const [input, output] = [new PassThrough(), new PassThrough()];
    input.end(`${JSON.stringify(request)}\n`);
    await serveLines({ [request.task]: work }, input, output);
    output.end();
    const { result, run } = JSON.parse((await output.toArray()).join(""));
    assert.equal(run, request.run);
    assert.deepEqual(result, Object.fromEntries(Object.keys(result).map((name) => [name, request[name]])));
    assert.equal(Object.keys(result).length, 9);
  }
});
