// The state of a job, from the last messages on its subjects: pure functions.
//
// A message is `{ place, seq, time, headers, data }`: its time in nanoseconds since 1970 as a BigInt, its headers as
// an object, its data as text.

// In the order in which they are read. A job that ends now is stored at a later place before it leaves an earlier one.
export const PLACES = ["q", "s", "d", "r"];

const STATES = { q: "pending", s: "waiting", d: "dead" };
const isEnd = ({ place }) => place === "d" || place === "r";

/** The message that says the state: the newest life that has not ended, or else the newest end. */
export function newest(found) {
  // A message without a body on the record subject is a marker: others wait for this job.
  const messages = found
    .filter(({ place, data }) => place !== "r" || data.length > 0)
    .map((message) => ({ message, step: stepOf(message) }));
  const live = messages.filter(({ message, step }) => !isEnd(message) && !isOver(message, step, messages));
  if (live.length > 0) return live.reduce((a, b) => (b.message.seq > a.message.seq ? b : a)).message;
  const ends = messages.filter(({ message }) => isEnd(message));
  if (ends.length === 0) return undefined;
  const last = ends.reduce((a, b) => (b.message.time > a.message.time ? b : a));
  if (last.message.headers["Naq-Died-At"] === undefined) return last.message;
  // The letter of a dead job says more than its record.
  const letter = ends.find(({ message, step }) => message.place === "d" && step.nonce === last.step.nonce);
  return (letter ?? last).message;
}

/** The state that a message says. */
export function stateOf(message) {
  return STATES[message.place] ?? JSON.parse(message.data).state;
}

/** Whether another message of the same life came after this one. */
function isOver(message, step, all) {
  return all.some(({ message: other, step: its }) => {
    if (its.nonce !== step.nonce) return false;
    if (isEnd(other)) return true;
    if (other.place === "s") return compare(its, step) > 0;
    return other.seq > message.seq && compare(its, step) >= 0;
  });
}

function compare(a, b) {
  return a.attempt - b.attempt || a.snoozes - b.snoozes;
}

/** From the header, or for a job that was written by hand from its body, its sequence and its time. */
export function stepOf({ headers, seq, time, data }) {
  const written = /^([^/]+)\/(\d+)\/(\d+)$/.exec(headers["Naq-Step"] ?? "");
  if (written) return { nonce: written[1], attempt: Number(written[2]), snoozes: Number(written[3]) };
  const body = bodyOf({ data });
  const nonce = body.nonce || `s${seq}-${time / 1_000_000n}`;
  return { nonce, attempt: body.attempt || 1, snoozes: body.snoozes || 0 };
}

/** The body as an object. Empty for a dead letter that is not a job. */
export function bodyOf({ data }) {
  try {
    const body = JSON.parse(data);
    return typeof body === "object" && body !== null ? body : {};
  } catch {
    return {};
  }
}

/**
 * Whether a job may be sent whose id was chosen: `"nothing"` if the broker has none of its id, `"other"` if it has
 * another one, and `"this"` if it has the job itself. `nonce` is its own if it may have been sent before.
 */
export function known(found, nonce) {
  if (nonce !== undefined && found.some((message) => stepOf(message).nonce === nonce)) return "this";
  // For a dead job its letter counts: once that is purged, the id is free. A marker has no body.
  const refuses = ({ place, headers, data }) => place !== "r" || (data.length > 0 && headers["Naq-Died-At"] === undefined);
  return found.some(refuses) ? "other" : "nothing";
}

/** Since 1970, of a time as the broker writes it. */
export function nanoseconds(time) {
  const [, whole, fraction = ""] = /^([^.Z]+)(?:\.(\d+))?Z$/.exec(time);
  return BigInt(Date.parse(`${whole}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}
