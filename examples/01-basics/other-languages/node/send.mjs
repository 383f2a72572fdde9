import { connect } from "naq-client";

const client = await connect({ url: "nats://localhost:4222" });
const job = await client.enqueue("greet", { name: "Ada" }, {
  maxRetries: 4,
  retryDelay: 1_000,
  retryStrategy: "exponential",
  id: "hello-1",
});
console.log(await job.result({ timeout: 60_000 }));
await client.close();
