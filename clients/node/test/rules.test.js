// Kinds, policies, signatures and answers: pure functions.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { Cancel, ConfigurationError, Never, RetryAfter, Snooze, kindOf, serve } from "naq-client";
import { kindsOf } from "../src/kinds.js";
import { policy } from "../src/policy.js";
import { isSigned, serveLines } from "../src/serve.js";
import { copies, queueStream } from "../src/streams.js";

class AuthenticationError extends Error {}
class TokenExpired extends AuthenticationError {}
class HTTPError extends Error {
  status = 503;
}

test("the kind of an error has its bases, its code or its status", () => {
  const refused = Object.assign(new Error("x"), { code: "ECONNREFUSED" });
  for (const [error, kind] of [
    [new Error("x"), "Error"],
    [new TypeError("x"), "TypeError"],
    [new TokenExpired("x"), "AuthenticationError.TokenExpired"],
    [new HTTPError("x"), "HTTPError.503"],
    [refused, "ConnectionError.refused"],
    [new TypeError("fetch failed", { cause: refused }), "ConnectionError.refused"],
    [new DOMException("x", "TimeoutError"), "TimeoutError"],
    ["a text", "Error"],
  ]) {
    assert.equal(kindOf(error), kind);
  }
  assert.deepEqual(kindsOf([AuthenticationError, "HTTPError.503"]), ["AuthenticationError", "HTTPError.503"]);
});

test("a policy has the form of the wire", () => {
  assert.equal(policy({}), undefined);
  assert.deepEqual(policy({ maxRetries: 4, retryDelay: 2000, retryStrategy: "exponential" }), {
    max_retries: 4,
    delay_ms: 2000,
    strategy: "exponential",
  });
  assert.deepEqual(policy({ retryDelay: [0.2, 5] }).delay_ms, [1, 5]);
  assert.deepEqual(policy({ retryOn: Error }), { retry_on: [] });
});

test("a wrong option is refused where it enters", () => {
  for (const options of [
    { maxRetries: -1 },
    { maxRetries: 1.5 },
    { retryDelay: -1 },
    { retryDelay: [] },
    { retryDelay: "5s" },
    { retryStrategy: "cubic" },
    { ignoreOn: Error },
  ]) {
    assert.throws(() => policy(options), ConfigurationError);
  }
});

test("a signature is the one that the worker makes", () => {
  // The same value as in the worker's own test.
  const header = "t=1732900000,v1=5dc5ae15ba300e7922a6420d30fc34c70a7649073b7c98032da47768dbd0fe48";
  const [key, now] = ["0123456789abcdef", 1732900000];
  assert.ok(isSigned(key, header, "/naq/a", "{}", now));
  assert.ok(isSigned(`another-key-of-16, ${key}`, header, "/naq/a", "{}", now + 299));
  assert.ok(!isSigned("another-key-of-16", header, "/naq/a", "{}", now));
  assert.ok(!isSigned(key, header, "/naq/b", "{}", now));
  assert.ok(!isSigned(key, header, "/naq/a", "{}", now + 301));
  for (const broken of [undefined, "", "v1=x", "t=now,v1=x", "t=1732900000"]) assert.ok(!isSigned(key, broken, "/naq/a", "{}", now));
});

async function answersOf(tasks, ...requests) {
  const [input, output] = [new PassThrough(), new PassThrough()];
  input.end(requests.map((request) => `${JSON.stringify({ attempt: 1, max_attempts: 4, ...request })}\n`).join("\n"));
  await serveLines(tasks, input, output);
  output.end();
  return (await output.toArray()).join("").trim().split("\n").map((line) => JSON.parse(line));
}

test("each request has its answers in order, and each error is an answer", async () => {
  const work = (args, job) => {
    job.progress(1, 2, "half");
    job.save(args);
    return args * 2;
  };
  assert.deepEqual(await answersOf({ work }, { task: "work", args: 4 }), [
    { progress: { done: 1, total: 2, message: "half" } },
    { checkpoint: 4 },
    { result: 8 },
  ]);
  for (const [error, answer] of [
    [new RangeError("no"), { kind: "RangeError", message: "no" }],
    [new Never(new TypeError("x")), { kind: "TypeError", message: "x", then: "never" }],
    [new RetryAfter(1.5, "slow"), { kind: "Error", message: "slow", then: "retry_after", after_ms: 2 }],
    [new Snooze(60), { kind: "Error", message: "not yet", then: "snooze", after_ms: 60 }],
    [new Cancel("gone"), { kind: "Error", message: "gone", then: "cancel" }],
  ]) {
    const fail = () => Promise.reject(error);
    assert.deepEqual(await answersOf({ fail }, { task: "fail" }), [{ error: answer }]);
  }
});

test("what JSON or UTF-8 does not have is no answer that breaks the protocol", async () => {
  const half = "\u{1F600}".slice(0, 1);
  assert.deepEqual(await answersOf({ work: () => half }, { task: "work" }), [{ result: "\uFFFD" }]);
  const [{ error }] = await answersOf({ work: () => () => 1 }, { task: "work" });
  assert.equal(error.kind, "TypeError");
  const fail = () => Promise.reject(new Error(half));
  assert.equal((await answersOf({ fail }, { task: "fail" }))[0].error.message, "\uFFFD");
});

test("an attempt that has ended does not speak for the next one", async () => {
  let late;
  const work = (_, job) => void (late = job);
  assert.deepEqual(await answersOf({ work }, { task: "work", run: "j/1" }), [{ result: null, run: "j/1" }]);
  assert.throws(() => late.save(1), /has ended/);
});

test("http lists the tasks, runs them, and refuses what is not signed", async (t) => {
  const server = await serve({ double: (n) => n * 2 }, { http: 0, concurrency: 3 });
  const signed = await serve({ double: (n) => n * 2 }, { http: "127.0.0.1:0", keys: "0123456789abcdef" });
  t.after(() => [server, signed].map((one) => one.close()));
  const url = `http://127.0.0.1:${server.address().port}/naq`;
  assert.deepEqual(await (await fetch(url)).json(), { v: 1, tasks: ["double"], concurrency: 3 });
  const body = JSON.stringify({ task: "double", args: 21, attempt: 1, max_attempts: 1 });
  const reply = await fetch(`${url}/double`, { method: "POST", body });
  assert.equal(await reply.text(), '{"result":42}\n');
  assert.equal((await fetch(`${url}/toString`, { method: "POST", body })).status, 404);
  for (const [path, text] of [["/%zz", body], ["/double", "junk"]]) {
    assert.equal((await fetch(url + path, { method: "POST", body: text })).status, 400);
  }
  const other = `http://127.0.0.1:${signed.address().port}/double`;
  assert.equal((await fetch(other, { method: "POST", body })).status, 401);
});

test("the settings on the page are those that a client creates", async () => {
  const page = await readFile(new URL("../../../docs/wire-format.md", import.meta.url), "utf8");
  const block = page.split("### Create a queue")[1].split("```text\n")[1].split("```")[0];
  assert.deepEqual(JSON.parse(block), queueStream("naq", "default", 1, "file"));
});

test("the copies that are written down hold for each program", () => {
  for (const [state, configured, clustered, expected] of [
    [{ num_replicas: 3, metadata: { naq_replicas: "3" } }, 1, true, 3],
    [{ num_replicas: 1, metadata: { naq_replicas: "1" } }, 0, true, 1],
    [{ num_replicas: 1, metadata: { naq_replicas: "x" } }, 0, true, 3],
    [{ num_replicas: 5 }, 0, true, 5],
    [undefined, 0, true, 3],
    [undefined, 1, true, 1],
    [undefined, 0, false, 1],
  ]) {
    assert.equal(copies(state, configured, clustered), expected);
  }
});
