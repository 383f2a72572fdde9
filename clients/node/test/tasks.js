// Tasks that the tests run under a real worker.
import { Cancel, Never, RetryAfter, Snooze, serve } from "naq-client";

class HTTPError extends Error {
  status = 503;
}

await serve({
  add: (numbers) => numbers.reduce((sum, n) => sum + n, 0),
  "email.send": async ({ to }, job) => `sent to ${to}, ${job}`,
  flaky: ({ fails }, job) => {
    if (job.attempt <= fails) throw Object.assign(new Error("the service is down"), { code: "ECONNREFUSED" });
    return { attempt: job.attempt, lastError: job.lastError };
  },
  advise: (what, job) => {
    if (what === "never") throw new Never(new RangeError("no such order"));
    if (what === "cancel") throw new Cancel("the order is gone");
    if (what === "snooze" && job.request.snoozes === 0) throw new Snooze(10);
    if (what === "retry_after" && job.attempt === 1) throw new RetryAfter(10, "slow down", { kind: "HTTPError.429" });
    if (what === "http") throw new HTTPError("busy");
    return what;
  },
  steps: (_, job) => {
    job.progress(job.checkpoint ?? 0, 2);
    console.log("what a handler prints is no answer");
    if (job.checkpoint === undefined) {
      job.save(1);
      throw new DOMException("half way", "TimeoutError");
    }
    return job.checkpoint;
  },
  die: () => process.kill(process.pid, "SIGKILL"),
});
