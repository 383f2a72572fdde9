// Enqueue jobs for NAQ, and run handlers in Node. The types and what each name does: index.d.ts.
export { Client, connect } from "./client.js";
export { ConfigurationError, GatewayError, JobExecutionError, JobNotFoundError, NaqConnectionError, NaqError } from "./errors.js";
export { Gateway } from "./gateway.js";
export { kindOf } from "./kinds.js";
export { serve } from "./serve.js";
export { Cancel, Never, RetryAfter, Snooze } from "./then.js";
