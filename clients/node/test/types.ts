// The types say what the code does: `npm run types`.
import { type Attempt, type Job, Never, connect, kindOf, serve } from "naq-client";

class AuthenticationError extends Error {}

export async function program(): Promise<number> {
  const client = await connect({ url: "nats://localhost:4222" });
  const job: Job = await client.enqueue(
    "email.send",
    { to: "a@example.com" },
    { maxRetries: 4, retryDelay: [1, 2], retryStrategy: "exponential", retryOn: [AuthenticationError, "HTTPError.503"] },
  );
  const history: Attempt[] = await job.history();
  const result = await job.result<{ sent: boolean }>({ timeout: 1_000 });
  return result.sent ? history.length : kindOf(new Error()).length;
}

export const server = serve({
  "email.send": ({ to }: { to: string }, job) => {
    job.progress(1, 2);
    if (to === "") throw new Never("no address", { kind: "ValueError" });
    return `${job}`;
  },
});

// @ts-expect-error: a strategy that NAQ does not have
export const wrong = connect().then((client) => client.enqueue("x", null, { retryStrategy: "cubic" }));
