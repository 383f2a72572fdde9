// The tasks of `naq conformance handler`: docs/handler-protocol.md says what each does.
import { setTimeout as sleep } from "node:timers/promises";

import { Cancel, Never, RetryAfter, Snooze, serve } from "naq-client";

// What a case fails with. Its kind is its name.
class ConformanceError extends Error {}

// Its kind has the status too: HTTPError.503.
class HTTPError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const port = process.env.CONFORMANCE_PORT;

const server = await serve(
  {
    "conformance.echo": (args) => args,
    // Characters, and not units of UTF-16.
    "conformance.size": (args) => [...args].length,
    "conformance.error": ({ kind, message, then, after_ms: after }, job) => {
      if (job.attempt > 1 || job.request.snoozes > 0) return "done";
      if (then === "never") throw new Never(message, { kind });
      if (then === "retry_after") throw new RetryAfter(after, message, { kind });
      if (then === "snooze") throw new Snooze(after, message);
      if (then === "cancel") throw new Cancel(message);
      const [name, status] = kind.split(".");
      throw name === "HTTPError" ? new HTTPError(Number(status), message) : new ConformanceError(message);
    },
    "conformance.steps": (_, job) => {
      if (job.checkpoint !== undefined) return job.checkpoint;
      job.progress(1, 2, "half");
      job.save({ step: 1, of: "größer" });
      throw new ConformanceError("half way");
    },
    "conformance.attempt": (last, job) => {
      if (job.attempt < last) throw new ConformanceError(`attempt ${job.attempt} of ${job.maxAttempts} fails`);
      return job.lastError ?? null;
    },
    "conformance.slow": async (ms) => {
      await sleep(ms);
      return "done";
    },
    "conformance.die": (_, job) => {
      if (job.request.crashes === 0) process.kill(process.pid, "SIGKILL");
      return job.request.crashes;
    },
  },
  port === undefined ? {} : { http: Number(port) },
);
if (server) console.log(`http://127.0.0.1:${server.address().port}/`);
