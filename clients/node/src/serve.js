// Runs functions as handlers: the other side of `naq worker --exec-pool` and `--http`.
// docs/handler-protocol.md of NAQ describes what both say to each other.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { ConfigurationError } from "./errors.js";
import { errorAnswer, isThen, wellFormed } from "./then.js";

// How old or how new a signed request may be, in seconds.
const MAX_AGE = 300;

/** Runs handlers. */
export async function serve(tasks, { http, concurrency, keys = process.env.NAQ_HANDLER_KEYS } = {}) {
  if (Object.keys(tasks).length === 0) throw new ConfigurationError("there are no tasks: give serve() an object of functions");
  const list = { v: 1, tasks: Object.keys(tasks).sort(), ...(concurrency && { concurrency }) };
  if (http !== undefined) {
    const server = createServer((request, response) => {
      // One bad request must not end the process, and all other attempts with it.
      answer(tasks, { concurrency: 10, ...list }, keys, request, response).catch((error) => {
        if (response.headersSent || request.errored) response.destroy();
        else problem(response, 400, `the request: ${error.message}`);
      });
    });
    const [host, port] = typeof http === "number" ? ["127.0.0.1", http] : address(http);
    await new Promise((resolve, reject) => server.once("error", reject).listen(port, host, resolve));
    return server;
  }
  if (process.argv.includes("--describe")) {
    process.stdout.write(`${JSON.stringify(list)}\n`);
    return undefined;
  }
  await serveLines(tasks, process.stdin, process.stdout);
  return undefined;
}

/** One request a line, and its answers. What handlers print belongs to the log, not between the answers. */
export async function serveLines(tasks, input, output) {
  const write = output.write.bind(output);
  if (output === process.stdout) process.stdout.write = process.stderr.write.bind(process.stderr);
  const say = (value) => write(`${JSON.stringify(value)}\n`);
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    if (!line.trim()) continue;
    try {
      await run(tasks, JSON.parse(line), say);
    } catch (error) {
      say({ error: { kind: "DecodeError", message: `the request: ${error.message}`, then: "never" } });
    }
  }
}

/** Runs one attempt, and says how it ended. */
async function run(tasks, request, send, signal) {
  let hasEnded = false;
  const say = (answer) => {
    // A timer that outlives its attempt must not speak for the next one.
    if (hasEnded) throw new Error(`the attempt of job ${request.id} has ended`);
    send(request.run ? { ...answer, run: request.run } : answer);
  };
  const steps = (n) => Math.max(0, Math.round(Number(n) || 0));
  const job = {
    request,
    id: request.id,
    queue: request.queue,
    task: request.task,
    attempt: request.attempt,
    maxAttempts: request.max_attempts,
    isLastAttempt: request.attempt >= request.max_attempts,
    lastError: request.last_error ?? undefined,
    idempotencyKey: request.idempotency_key,
    checkpoint: request.checkpoint ?? undefined,
    signal,
    progress: (done, total = 0, message = "") => void say({ progress: { done: steps(done), total: steps(total), message: `${message}` } }),
    save: (state) => void say({ checkpoint: sendable(state, "the checkpoint") }),
    toString: () => `attempt ${request.attempt} of ${request.max_attempts}`,
  };
  try {
    say({ result: sendable((await tasks[request.task](request.args, job)) ?? null, "the result") });
  } catch (error) {
    // What was meant is no fault of the code: one line, without its stack.
    process.stderr.write(`${isThen(error) ? `${error.name}: ${error.message}` : (error?.stack ?? error)}\n`);
    say(errorAnswer(error));
  } finally {
    hasEnded = true;
  }
}

// What JSON has, and UTF-8 can carry: half a surrogate pair becomes the replacement character, as in UTF-8 itself.
function sendable(value, what) {
  const text = JSON.stringify(value, (_, item) => (typeof item === "string" ? wellFormed(item) : item));
  if (text === undefined) throw new TypeError(`${what} is ${typeof value}, which JSON does not have`);
  return JSON.parse(text);
}

async function answer(tasks, list, keys, request, response) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  if (keys && !isSigned(keys, request.headers["naq-signature"], request.url, body)) {
    return problem(response, 401, "the request has no signature that fits");
  }
  if (request.method === "GET") {
    response.writeHead(200, { "Content-Type": "application/json" });
    return response.end(JSON.stringify(list));
  }
  const name = decodeURIComponent(request.url.split("/").at(-1));
  if (request.method !== "POST" || !Object.hasOwn(tasks, name)) return problem(response, 404, `there is no task ${name}`);
  const job = JSON.parse(body);
  const stopped = new AbortController();
  response.once("close", () => stopped.abort());
  response.writeHead(200, { "Content-Type": "application/x-ndjson" });
  await run(tasks, job, (value) => response.write(`${JSON.stringify(value)}\n`), stopped.signal);
  return response.end();
}

function problem(response, status, detail) {
  response.writeHead(status, { "Content-Type": "application/problem+json" });
  response.end(JSON.stringify({ status, detail }));
}

function address(text) {
  const at = text.lastIndexOf(":");
  return at < 0 ? ["127.0.0.1", Number(text)] : [text.slice(0, at), Number(text.slice(at + 1))];
}

/** Whether one of the keys, separated by commas, has signed the request within five minutes. */
export function isSigned(keys, header, path, body, now = Date.now() / 1000) {
  const parts = (header ?? "").split(",").map((part) => part.split("="));
  const times = parts.filter(([name, value]) => name === "t" && /^\d+$/.test(value)).map(([, value]) => value);
  if (times.length !== 1 || Math.abs(now - Number(times[0])) > MAX_AGE) return false;
  const given = parts.filter(([name]) => name === "v1").map(([, value]) => Buffer.from(value ?? ""));
  let found = false;
  for (const key of keys.split(",").map((key) => key.trim()).filter(Boolean)) {
    const own = Buffer.from(createHmac("sha256", key).update(`${times[0]}.${path}.`).update(body).digest("hex"));
    // No early end, so that the time says nothing about the key.
    for (const value of given) found = (value.length === own.length && timingSafeEqual(value, own)) || found;
  }
  return found;
}
