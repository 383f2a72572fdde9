// What a handler throws to say what follows. Any other error leaves it to the job's policy.

import { kindOf } from "./kinds.js";

class Then extends Error {
  constructor(then, message, { after, kind } = {}) {
    super(message instanceof Error ? message.message : String(message ?? ""));
    this.name = new.target.name;
    this.then = then;
    this.after = after;
    // `throw new Never(error)` has the kind of that error.
    this.kind = kind ?? (message instanceof Error ? kindOf(message) : undefined);
  }
}

export class Never extends Then {
  constructor(message, options) {
    super("never", message, options);
  }
}

export class RetryAfter extends Then {
  constructor(ms, message, options) {
    super("retry_after", message, { ...options, after: ms });
  }
}

export class Snooze extends Then {
  constructor(ms, message = "not yet") {
    super("snooze", message, { after: ms });
  }
}

export class Cancel extends Then {
  constructor(message) {
    super("cancel", message);
  }
}

/** The text, with the replacement character for half a surrogate pair, which UTF-8 does not have. */
export function wellFormed(text) {
  return text.toWellFormed();
}

/** Whether a handler threw it to say what follows. */
export function isThen(error) {
  return error instanceof Then;
}

/** The error as an answer of the handler protocol. */
export function errorAnswer(error) {
  if (error instanceof Then) {
    const answer = { kind: error.kind ?? "Error", message: wellFormed(error.message), then: error.then };
    if (error.after !== undefined) answer.after_ms = Math.ceil(error.after);
    return { error: answer };
  }
  const message = error instanceof Error ? error.message || error.name : String(error);
  return { error: { kind: kindOf(error), message: wellFormed(message) } };
}
