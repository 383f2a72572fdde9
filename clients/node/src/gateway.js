// All that NAQ's gateway does, over HTTP: docs/gateway.md of NAQ. It needs no account of the broker.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { ConfigurationError, GatewayError, JobExecutionError, JobNotFoundError, NaqConnectionError } from "./errors.js";
import { kindsOf } from "./kinds.js";

// How long a request is sent again while the gateway or the broker does not answer, in ms.
const PATIENCE = 10_000;
// The longest wait of one request, in ms.
const WAIT = 50_000;

const SPANS = new Set(["in", "expires_in", "timeout", "record_ttl", "unique_for", "max_wait", "retry_increment", "max_delay", "retry_for"]);
const LISTS = new Set(["tags", "depends_on", "concurrency_key", "rate_limit"]);
// Names in this package that differ from those of the gateway.
const NAMES = { delay: "in", resultTtl: "record_ttl" };

const part = encodeURIComponent;
const span = (value) => (typeof value === "number" ? `${Math.ceil(value)}ms` : value);
const time = (value) => (value instanceof Date || typeof value === "number" ? new Date(value).toISOString() : value);

function fields(options) {
  const all = {};
  for (const [given, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const name = NAMES[given] ?? given.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (SPANS.has(name)) all[name] = span(value);
    else if (name === "retry_delay") all[name] = Array.isArray(value) ? value.map(span) : span(value);
    else if (name === "at" || name === "deadline") all[name] = time(value);
    else if (name === "retry_on" || name === "ignore_on") all[name] = kindsOf(value);
    else if (LISTS.has(name)) all[name] = [value].flat();
    else all[name] = value;
  }
  return all;
}

export class Gateway {
  #key;

  constructor(url = process.env.NAQ_GATEWAY_URL ?? "http://localhost:8090", { key = process.env.NAQ_GATEWAY_KEY } = {}) {
    this.url = url.replace(/\/+$/, "");
    this.#key = key;
  }

  async enqueue(task, args = null, { queue = "default", idempotencyKey, ...options } = {}) {
    const job = { task, args, ...fields(options) };
    // A debounced job that is sent again replaces itself.
    const safe = ["id", "debounce"].find((name) => job[name] !== undefined);
    if (safe !== undefined && idempotencyKey !== undefined) {
      throw new ConfigurationError(`both ${safe} and idempotencyKey: one of them is enough`);
    }
    // A request that is sent again stores one job.
    const headers = safe === undefined ? { "Idempotency-Key": idempotencyKey ?? randomUUID() } : {};
    return this.#call("POST", `/v1/queues/${part(queue)}/jobs`, { body: job, headers, again: true });
  }

  async job(id, queue = "default", { wait } = {}) {
    const query = wait === undefined ? "" : `?wait=${span(wait)}`;
    return this.#call("GET", `/v1/jobs/${part(queue)}/${part(id)}${query}`, { again: true });
  }

  async result(id, queue = "default", { timeout = Infinity } = {}) {
    const until = Date.now() + timeout;
    for (;;) {
      const job = await this.job(id, queue, { wait: Math.max(0, Math.min(WAIT, until - Date.now())) });
      if (job.state === "completed") return job.result;
      if (["dead", "cancelled", "expired"].includes(job.state)) {
        const last = job.attempts.at(-1) ?? {};
        const text = `job ${queue}/${id} is ${job.state}: ${last.message ?? last.reason ?? ""}`;
        throw new JobExecutionError(text, job.state, last.error_kind);
      }
      if (Date.now() >= until) {
        throw Object.assign(new Error(`job ${queue}/${id} has not ended in ${timeout} ms`), { name: "TimeoutError" });
      }
    }
  }

  async cancel(id, queue = "default", { reason } = {}) {
    return this.#call("POST", `/v1/jobs/${part(queue)}/${part(id)}/cancel`, { body: { reason } });
  }

  async retryNow(id, queue = "default") {
    return this.#call("POST", `/v1/jobs/${part(queue)}/${part(id)}/retry-now`, { body: {} });
  }

  async deadLetters({ queue, task, errorKind } = {}) {
    const filters = Object.entries({ queue, task, error_kind: errorKind }).filter(([, value]) => value !== undefined);
    const letters = [];
    for (let from = 0; from !== null; ) {
      const query = new URLSearchParams([...filters, ["limit", "1000"], ["from", `${from}`]]);
      const page = await this.#call("GET", `/v1/dead-letters?${query}`, { again: true });
      letters.push(...page.letters);
      from = page.next;
    }
    return letters;
  }

  async requeue(id, queue = "default", { delay } = {}) {
    const body = delay === undefined ? {} : { delay: span(delay) };
    return this.#call("POST", `/v1/dead-letters/${part(queue)}/${part(id)}/requeue`, { body });
  }

  async queues() {
    return (await this.#call("GET", "/v1/queues", { again: true })).queues;
  }

  async workers() {
    return (await this.#call("GET", "/v1/workers", { again: true })).workers;
  }

  async schedules() {
    return (await this.#call("GET", "/v1/schedules", { again: true })).schedules;
  }

  async schedule(name, task, args = null, { cron, every, timeZone, queue = "default", ...options } = {}) {
    const body = { cron, every: span(every), time_zone: timeZone, queue, job: { task, args, ...fields(options) } };
    return this.#call("PUT", `/v1/schedules/${part(name)}`, { body, again: true });
  }

  async unschedule(name) {
    return (await this.#call("DELETE", `/v1/schedules/${part(name)}`, { again: true })).removed;
  }

  // Sends a request; again for ten seconds, if that is safe and there is no answer.
  async #call(method, path, { body, headers = {}, again = false } = {}) {
    const all = { "Content-Type": "application/json", ...headers };
    if (this.#key) all.Authorization = `Bearer ${this.#key}`;
    const until = Date.now() + PATIENCE;
    for (;;) {
      let error;
      let pause;
      try {
        const response = await fetch(this.url + path, { method, headers: all, body: body && JSON.stringify(body) });
        const answer = await response.json();
        if (response.ok) return answer;
        [error, pause] = problem(response, answer);
      } catch (cause) {
        error = new NaqConnectionError(`the gateway at ${this.url} does not answer: ${cause.cause?.message ?? cause.message}`, { cause });
        pause = 200;
      }
      if (!again || pause === undefined || Date.now() + pause > until) throw error;
      await sleep(pause);
    }
  }
}

// The error of an answer, and after how many ms the request may be sent again.
function problem(response, { type = "", title = "", detail = "", next }) {
  const text = `${title}: ${detail}${next ? `; next: ${next}` : ""}`;
  const kind = type.split(":").at(-1);
  if (kind === "not-found") return [new JobNotFoundError(text)];
  const later = [429, 502, 503, 504].includes(response.status);
  return [new GatewayError(text, response.status, kind), later ? 1000 * Number(response.headers.get("retry-after") ?? 1) : undefined];
}
