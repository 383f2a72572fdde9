import { serve } from "naq-client";

class ConnectionError extends Error {}

await serve({
  // Fails in its first two attempts, as a service fails that is down for a moment.
  greet: async ({ name }, job) => {
    if (job.attempt < 3) throw new ConnectionError("the mail server is away");
    return `hello ${name}, in attempt ${job.attempt}`;
  },
});
