import type { Server } from "node:http";

/** Any value that JSON has. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
/** A class of errors, or the name of an error kind such as `"HTTPError.503"`. */
export type Kind = string | (abstract new (...args: never[]) => Error);

/** Options of `connect`. The others come from `NAQ_*` variables, as in the `naq` command. */
export interface ConnectOptions {
  /** `NAQ_NATS_URL`, or `nats://localhost:4222`, by default. */
  url?: string;
  /** `NAQ_PREFIX`, or `naq`, by default. */
  prefix?: string;
  /** Copies of the stream of a queue that this client creates, if none are written down in the broker. */
  replicas?: number;
  storage?: "file" | "memory";
  /** Options of the NATS client: tls, authenticator and so on. */
  nats?: Record<string, unknown>;
}

/** Options of `enqueue`. All times are milliseconds. */
export interface EnqueueOptions {
  /** `NAQ_DEFAULT_QUEUE`, or `default`, by default. */
  queue?: string;
  /** The same id is stored once. A new one by default. */
  id?: string;
  /** Attempts after the first. 3 by default. */
  maxRetries?: number;
  /** The wait before a retry, or one for each. 5000 by default. */
  retryDelay?: number | number[];
  retryStrategy?: "fixed" | "linear" | "exponential";
  retryOn?: Kind | Kind[];
  ignoreOn?: Kind | Kind[];
  maxDelay?: number;
  jitter?: "none" | "full" | "equal" | "decorrelated" | number;
  retryFor?: number;
  /** A whole policy, such as `"exponential:2s,max_retries=4"`, in place of the options above. */
  policy?: string | { [name: string]: Json };
  /** Run after that time, by the broker's clock. */
  delay?: number;
  /** Run at that time. */
  at?: Date | number | string;
  /** How long one attempt may run. */
  timeout?: number;
  /** No attempt starts after that time. */
  deadline?: Date | number | string;
  /** How long the result is kept. One hour by default. */
  resultTtl?: number;
  tags?: string[];
}

/** `pending`: in the queue or running. `waiting`: scheduled, or waits for a retry. */
export type State = "pending" | "waiting" | "completed" | "dead" | "cancelled" | "expired";

export interface Attempt {
  attempt: number;
  outcome: string;
  error_kind?: string;
  message?: string;
  rule?: string;
  decision?: string;
  delay_ms?: number;
  [field: string]: Json | undefined;
}

export interface WorkerInfo {
  worker_id: string;
  status: string;
  queues: string[];
  concurrency: number;
  running: number;
  [field: string]: Json;
}

/** A job that the broker has stored. */
export interface Job {
  readonly id: string;
  readonly queue: string;
  readonly task: string;
  /** Whether a job with this id was stored before, so that this enqueue stored nothing. */
  readonly isDuplicate: boolean;
  /** Waits until the job has ended. Throws JobExecutionError, JobNotFoundError, or an error with the name TimeoutError. */
  result<T = Json>(options?: { timeout?: number }): Promise<T>;
  state(): Promise<State>;
  history(): Promise<Attempt[]>;
}

/** A connection to the broker. */
export class Client {
  private constructor();
  /** Stores a job. Returns when the broker has it. */
  enqueue(task: string | ((...args: never[]) => unknown), args?: Json, options?: EnqueueOptions): Promise<Job>;
  state(id: string, queue?: string): Promise<State>;
  history(id: string, queue?: string): Promise<Attempt[]>;
  result<T = Json>(id: string, queue?: string, options?: { timeout?: number }): Promise<T>;
  /** The workers that are alive. */
  listWorkers(): Promise<WorkerInfo[]>;
  close(): Promise<void>;
}

/** Connects to the broker. Throws NaqConnectionError. */
export function connect(options?: ConnectOptions): Promise<Client>;

/** Any error of this package. */
export class NaqError extends Error {}
/** An option has a value that NAQ does not allow. */
export class ConfigurationError extends NaqError {}
/** The job has ended without success. */
export class JobExecutionError extends NaqError {
  readonly state: State;
  /** The kind of its last error. */
  readonly kind?: string;
}
/** There is no such job, or its record has expired. */
export class JobNotFoundError extends NaqError {}
/** The broker cannot be reached, or does not answer. */
export class NaqConnectionError extends NaqError {}

/** The error kind of what a handler threw. */
export function kindOf(error: unknown): string;

/** What a handler knows about its attempt. */
export interface CurrentJob {
  readonly id: string;
  readonly queue: string;
  readonly task: string;
  /** From 1. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly isLastAttempt: boolean;
  readonly lastError?: { kind: string; message: string };
  /** The same for all attempts: for services that must act once. */
  readonly idempotencyKey: string;
  /** What an earlier attempt saved. */
  readonly checkpoint?: Json;
  /** Over HTTP: aborts when the worker hangs up. */
  readonly signal?: AbortSignal;
  /** The whole request of the handler protocol. */
  readonly request: { [field: string]: Json };
  progress(done: number, total?: number, message?: string): void;
  save(state: Json): void;
}

export type Handler = (args: any, job: CurrentJob) => unknown;

export interface ServeOptions {
  /** A port, or `host:port`: listen there for `naq worker --http`. By default requests come on the standard input. */
  http?: number | string;
  /** How many attempts a worker may run at once. */
  concurrency?: number;
  /** Over HTTP: accept only requests that one of these keys has signed. `NAQ_HANDLER_KEYS` by default. */
  keys?: string;
}

/** Runs handlers: an object of functions by task. Returns the server if `http` is given, else when the worker hangs up. */
export function serve(tasks: { [task: string]: Handler }, options?: ServeOptions): Promise<Server | undefined>;

/** Never retry: `throw new Never(error)`, or `throw new Never("no such order", { kind: "ValueError" })`. */
export class Never extends Error {
  constructor(message: string | Error, options?: { kind?: string });
}
/** If the policy allows a retry, make it after that time. */
export class RetryAfter extends Error {
  constructor(ms: number, message?: string | Error, options?: { kind?: string });
}
/** Run again after that time, and count no attempt. */
export class Snooze extends Error {
  constructor(ms: number, message?: string);
}
/** End the job as cancelled. */
export class Cancel extends Error {
  constructor(message?: string);
}

/** The gateway refused a request. */
export class GatewayError extends NaqError {
  /** The status of HTTP. */
  readonly status: number;
  /** The name of the problem, such as `forbidden`. */
  readonly kind: string;
}

/** Options of `Gateway.enqueue`, besides those of `enqueue`. All times are milliseconds. */
export interface GatewayOptions extends EnqueueOptions {
  /** A repeated request with this key stores no second job. A new one by default. */
  idempotencyKey?: string;
  expiresIn?: number;
  unique?: string;
  uniqueFor?: number;
  untilStarted?: boolean;
  uniqueAcrossQueues?: boolean;
  /** `KEY=WAIT`, such as `doc-7=5s`: one job of many calls, with the arguments of the last. */
  debounce?: string;
  /** With `debounce`: the job starts this long after the call that added it. */
  maxWait?: number;
  /** `KEY=EVERY`, such as `doc-7=1h`: at most one job of this task and key in that time. */
  throttle?: string;
  /** Run the job once these have completed: ids in the same queue, or `queue/id`. */
  dependsOn?: string | string[];
  runAfterFailure?: boolean;
  allowPartial?: boolean;
  onExhausted?: string;
  concurrencyKey?: string | string[];
  rateLimit?: string | string[];
  retryIncrement?: number;
  retryMultiplier?: number;
  maxCrashes?: number;
}

/** The answer to an enqueue. */
export interface Enqueued {
  id: string;
  queue: string;
  task: string;
  duplicate: boolean;
  /** `queue/id` of the job that holds the unique key. */
  held_by?: string;
}

/** A job as the gateway shows it. */
export interface GatewayJob {
  id: string;
  queue: string;
  task: string | null;
  state: "pending" | "running" | "scheduled" | "retrying" | "blocked" | "completed" | "dead" | "cancelled" | "expired";
  attempts: Attempt[];
  result: Json;
  [field: string]: unknown;
}

/** NAQ over HTTP: `new Gateway("http://localhost:8090", { key })`. `NAQ_GATEWAY_URL` and `NAQ_GATEWAY_KEY` by default. */
export class Gateway {
  constructor(url?: string, options?: { key?: string });
  readonly url: string;
  enqueue(task: string, args?: Json, options?: GatewayOptions): Promise<Enqueued>;
  job(id: string, queue?: string, options?: { wait?: number }): Promise<GatewayJob>;
  /** Waits until the job has ended. Throws as `Job.result`. */
  result<T = Json>(id: string, queue?: string, options?: { timeout?: number }): Promise<T>;
  cancel(id: string, queue?: string, options?: { reason?: string }): Promise<GatewayJob>;
  retryNow(id: string, queue?: string): Promise<GatewayJob>;
  deadLetters(filter?: { queue?: string; task?: string; errorKind?: string }): Promise<{ id: string; queue: string; [field: string]: Json }[]>;
  requeue(id: string, queue?: string, options?: { delay?: number }): Promise<GatewayJob>;
  queues(): Promise<{ name: string; [field: string]: Json }[]>;
  workers(): Promise<WorkerInfo[]>;
  schedules(): Promise<{ name: string; [field: string]: Json }[]>;
  /** Runs a job again and again. Replaces the schedule of this name. */
  schedule(
    name: string,
    task: string,
    args?: Json,
    options?: GatewayOptions & { cron?: string; every?: number; timeZone?: string },
  ): Promise<{ name: string; [field: string]: Json }>;
  /** Removes a schedule. False if there is none. */
  unschedule(name: string): Promise<boolean>;
}
