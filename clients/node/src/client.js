// The client: enqueue jobs, and ask what became of them.

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectNats, createInbox, credsAuthenticator, headers as natsHeaders } from "@nats-io/transport-node";

import { ConfigurationError, JobExecutionError, JobNotFoundError, NaqConnectionError, NaqError } from "./errors.js";
import { newJob } from "./message.js";
import { millis, policy } from "./policy.js";
import { PLACES, bodyOf, known, nanoseconds, newest, stateOf } from "./state.js";
import { plain, shown } from "./stored.js";
import { STREAM_EXISTS, STREAM_NOT_FOUND, TRANSIENT, WRONG_LAST_SEQUENCE, copies, queueStream } from "./streams.js";

// How long the broker may take for one answer, and all of them together, in milliseconds.
const ANSWER_TIMEOUT = 2_000;
const GIVE_UP_AFTER = 10_000;
// Between two looks for a result: the first, and the longest.
const FIRST_LOOK = 20;
const LAST_LOOK = 500;

const OPTIONS = new Set([
  ...["queue", "id", "maxRetries", "retryDelay", "retryStrategy", "retryOn", "ignoreOn", "maxDelay", "jitter", "retryFor"],
  ...["policy", "delay", "at", "timeout", "deadline", "resultTtl", "tags"],
]);

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const ID = /^[A-Za-z0-9_-]{1,128}$/;
const TASK = /^[A-Za-z0-9_.:/-]{1,128}$/;

/** Connects to the broker. */
export async function connect(options = {}) {
  const env = process.env;
  const url = options.url ?? env.NAQ_NATS_URL ?? "nats://localhost:4222";
  const auth = {
    ...(env.NAQ_NATS_USER && { user: env.NAQ_NATS_USER, pass: env.NAQ_NATS_PASSWORD }),
    ...(env.NAQ_NATS_TOKEN && { token: env.NAQ_NATS_TOKEN }),
    ...(env.NAQ_NATS_CREDS && { authenticator: credsAuthenticator(await readFile(env.NAQ_NATS_CREDS)) }),
  };
  try {
    const nats = await connectNats({
      servers: url.split(","),
      name: "naq-client-node",
      timeout: 5_000,
      maxReconnectAttempts: -1,
      ...auth,
      ...options.nats,
    });
    return new Client(nats, options);
  } catch (cause) {
    throw new NaqConnectionError(`the broker at ${url} cannot be reached: ${cause.message}`, { cause });
  }
}

export class Client {
  #nats;
  #prefix;
  #replicas;
  #storage;

  constructor(nats, options = {}) {
    this.#nats = nats;
    this.#prefix = options.prefix ?? process.env.NAQ_PREFIX ?? "naq";
    this.#replicas = options.replicas ?? Number(process.env.NAQ_REPLICAS ?? 0);
    this.#storage = options.storage ?? process.env.NAQ_STORAGE ?? "file";
  }

  async close() {
    await this.#nats.close();
  }

  async enqueue(task, args = null, options = {}) {
    const unknown = Object.keys(options).find((name) => !OPTIONS.has(name));
    if (unknown) throw new ConfigurationError(`unknown option ${unknown}; the options are ${[...OPTIONS].join(", ")}`);
    const name = checked(TASK, typeof task === "function" ? task.name : task, "the task");
    const queue = checked(NAME, options.queue ?? process.env.NAQ_DEFAULT_QUEUE ?? "default", "the queue");
    const id = checked(ID, options.id ?? randomUUID(), "the job id");
    const { due, now } = await this.#due(queue, options);
    const job = newJob({
      ...options,
      prefix: this.#prefix,
      queue,
      id,
      task: name,
      args,
      nonce: randomUUID().replaceAll("-", "").slice(0, 12),
      isChosen: options.id !== undefined && options.id !== null,
      policy: options.policy ?? policy(options),
      due,
      now,
    });
    return new Job(this, id, queue, name, await this.#store(queue, id, job));
  }

  async state(id, queue = "default") {
    return stateOf(await this.#find(queue, id));
  }

  async history(id, queue = "default") {
    const history = bodyOf(await this.#find(queue, id)).history ?? [];
    return history.map((entry) => ("message" in entry ? { ...entry, message: shown(entry.message) } : entry));
  }

  async result(id, queue = "default", { timeout } = {}) {
    const until = timeout === undefined ? Infinity : performance.now() + timeout;
    for (let wait = FIRST_LOOK; ; wait = Math.min(wait * 2, LAST_LOOK)) {
      const message = await this.#find(queue, id);
      if (message.place === "d" || message.place === "r") return resultOf(message, `${queue}/${id}`);
      if (performance.now() + wait > until) {
        throw new DOMException(`job ${queue}/${id} has not ended in ${timeout} ms`, "TimeoutError");
      }
      await sleep(wait);
    }
  }

  async listWorkers() {
    const found = await this.#direct(`${this.#prefix.toUpperCase()}_WORKERS`, { multi_last: [`${this.#prefix}.w.>`] });
    const workers = found.filter((message) => message.data.length).map((message) => message.json());
    return workers.sort((a, b) => a.worker_id.localeCompare(b.worker_id));
  }

  // When the job is due, and the time of now, if it has to wait.
  async #due(queue, { delay, at }) {
    if (delay !== undefined && at !== undefined) throw new ConfigurationError("delay and at: use one of them");
    if (delay !== undefined) {
      // By the broker's clock, which is the one that counts.
      const now = await this.#brokerNow(queue);
      return { due: new Date(now + millis(delay, "delay")), now: new Date(now) };
    }
    return at === undefined ? {} : { due: new Date(at), now: new Date() };
  }

  async #brokerNow(queue) {
    const verb = `STREAM.INFO.${this.#prefix.toUpperCase()}_Q_${queue}`;
    let info = await this.#api(verb, {});
    if (info.error?.err_code === STREAM_NOT_FOUND) {
      await this.#create(queue);
      info = await this.#api(verb, {});
    }
    return Math.ceil(Date.parse(info.ts)) + 1;
  }

  // Publishes until the broker has answered, and returns whether another job has the id. Each send has the same message
  // id, so that it is stored once; after an unclear answer it says that it may be the second, so that a worker looks
  // before it runs the job. A chosen id is looked for first: the broker knows it for two minutes only.
  async #store(queue, id, { subject, headers: fields, body }) {
    const text = toJson(body);
    const until = performance.now() + GIVE_UP_AFTER;
    const isChosen = "Nats-Expected-Last-Subject-Sequence" in fields;
    let [last, isUnclear] = ["no answer", false];
    for (let wait = 50; performance.now() < until; wait = Math.min(wait * 2, 1_000)) {
      if (isChosen) {
        const found = known(await this.#look(queue, id), isUnclear ? body.nonce : undefined);
        if (found !== "nothing") return found === "other";
      }
      const headers = natsHeaders();
      for (const [name, value] of Object.entries(fields)) headers.set(name, value);
      if (isUnclear) headers.set("Naq-Suspect", "1");
      try {
        const ack = (await this.#nats.request(subject, text, { timeout: ANSWER_TIMEOUT, headers })).json();
        // After an unclear answer the broker knows this job itself by its id, which is random.
        if (!ack.error) return ack.duplicate === true && (isChosen || !isUnclear);
        const { description, err_code: code } = ack.error;
        if (code === WRONG_LAST_SEQUENCE && !isUnclear) return true;
        last = description;
        if (code !== WRONG_LAST_SEQUENCE && !TRANSIENT.has(code)) {
          throw new NaqError(`the broker refuses the job: ${last} (${code})`);
        }
        isUnclear = true;
      } catch (error) {
        if (error instanceof NaqError) throw error;
        if (isNoResponders(error)) {
          last = "the stream of the queue has no leader";
          await this.#create(queue);
        } else {
          last = error.message;
          isUnclear = true;
        }
      }
      await sleep(wait);
    }
    const seconds = GIVE_UP_AFTER / 1_000;
    throw new NaqConnectionError(`the broker did not store the job in ${seconds} s: ${last}. To repeat it safely, give it an id`);
  }

  // Creates the stream of the queue, if it does not exist and this user may.
  async #create(queue) {
    const config = queueStream(this.#prefix, queue, await this.#copies(), this.#storage);
    const { error } = await this.#api(`STREAM.CREATE.${config.name}`, config);
    if (!error || error.err_code === STREAM_EXISTS || TRANSIENT.has(error.err_code)) return;
    throw new NaqError(`queue ${queue} does not exist and cannot be created: ${error.description}`);
  }

  // How many copies a new stream gets. A user who may not ask goes by its own setting.
  async #copies() {
    const info = await this.#api(`STREAM.INFO.${this.#prefix.toUpperCase()}_STATE`, {}).catch(() => ({}));
    return copies(info.config, this.#replicas, Boolean(this.#nats.info?.cluster));
  }

  async #api(verb, request) {
    try {
      return (await this.#nats.request(`$JS.API.${verb}`, JSON.stringify(request), { timeout: 5_000 })).json();
    } catch (cause) {
      throw new NaqConnectionError(`the broker did not answer ${verb}: ${cause.message}`, { cause });
    }
  }

  // The message that says the state of a job.
  async #find(queue, id) {
    // A job that moves from one place to another may be seen in neither.
    for (const wait of [FIRST_LOOK, FIRST_LOOK, 0]) {
      const message = newest(await this.#look(queue, id));
      if (message) return message;
      await sleep(wait);
    }
    throw new JobNotFoundError(`there is no job ${queue}/${id}, or its record has expired`);
  }

  // The last message on each subject of a job.
  async #look(queue, id) {
    checked(NAME, queue, "the queue");
    checked(ID, id, "the job id");
    const found = [];
    for (const place of PLACES) {
      const message = await this.#last(place, queue, id);
      if (message) found.push(message);
    }
    return found;
  }

  // The last message of a job at a place.
  async #last(place, queue, id) {
    const prefix = this.#prefix.toUpperCase();
    const stream = { r: `${prefix}_RECORDS`, d: `${prefix}_DEAD` }[place] ?? `${prefix}_Q_${queue}`;
    const [found] = await this.#direct(stream, { last_by_subj: `${this.#prefix}.${place}.${queue}.${id}` });
    if (!found) return undefined;
    const headers = Object.fromEntries([...found.headers].map(([name, values]) => [name, values[0]]));
    const time = nanoseconds(headers["Nats-Time-Stamp"]);
    return { place, seq: Number(headers["Nats-Sequence"]), time, headers, data: found.string() };
  }

  // Reads messages. None of a stream that does not exist.
  async #direct(stream, request) {
    const inbox = createInbox();
    const subscription = this.#nats.subscribe(inbox, { timeout: ANSWER_TIMEOUT });
    const found = [];
    try {
      this.#nats.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply: inbox });
      for await (const message of subscription) {
        // 404: nothing; 503: no such stream; 204: the end of several messages.
        if (message.headers?.code) break;
        found.push(message);
        if (!request.multi_last) break;
      }
      return found;
    } catch (cause) {
      throw new NaqConnectionError(`the broker did not answer: ${cause.message}`, { cause });
    } finally {
      subscription.unsubscribe();
    }
  }
}

class Job {
  #client;

  constructor(client, id, queue, task, isDuplicate) {
    this.#client = client;
    this.id = id;
    this.queue = queue;
    this.task = task;
    this.isDuplicate = isDuplicate;
  }

  result(options) {
    return this.#client.result(this.id, this.queue, options);
  }

  state() {
    return this.#client.state(this.id, this.queue);
  }

  history() {
    return this.#client.history(this.id, this.queue);
  }
}

// What the record or the dead letter of a job says.
function resultOf(end, job) {
  const { headers } = end;
  const state = stateOf(end);
  if (state === "completed") {
    if (headers["Naq-Result"] !== undefined) {
      throw new NaqError(`the result of job ${job} is stored beside its record: naq job result ${job}`);
    }
    return plain(bodyOf(end).result, `the result of job ${job}`);
  }
  const kind = headers["Naq-Error-Kind"] || undefined;
  const text = `job ${job} is ${state}`;
  throw new JobExecutionError(kind ? `${text}: ${kind}: ${shown(headers["Naq-Error"])}` : text, state, kind);
}

function isNoResponders(error) {
  return error.isNoResponders?.() === true || error.cause?.isNoResponders?.() === true || error.name === "NoRespondersError";
}

function toJson(body) {
  try {
    return JSON.stringify(body);
  } catch (cause) {
    throw new ConfigurationError(`the arguments: ${cause.message}; NAQ stores JSON`, { cause });
  }
}

function checked(form, value, what) {
  if (typeof value !== "string" || !form.test(value)) {
    throw new ConfigurationError(`${what} ${JSON.stringify(value)}: it has a character that NAQ does not allow, or no name`);
  }
  return value;
}
