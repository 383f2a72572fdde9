// The message of a new job: a pure function.

import { millis } from "./policy.js";

// The broker's timer moves what is due every 250 ms. So a wait is scheduled this much earlier, and the worker holds the
// job for the rest.
const AHEAD = 350;

/**
 * The subject, the headers and the body that store a job. `nonce` names its life, `isChosen` says that its id is no
 * random one. `now` is the time of the enqueue, for a job that waits until `due`: the time at which the broker stores
 * the message in the queue is later.
 */
export function newJob({ prefix, queue, id, task, args, nonce, isChosen, policy, timeout, deadline, resultTtl, tags, due, now }) {
  const body = { v: 1, id, queue, task, args, nonce };
  const headers = { "Content-Type": "application/json", "Nats-Msg-Id": id, "Naq-Step": `${nonce}/1/0` };
  if (isChosen) headers["Nats-Expected-Last-Subject-Sequence"] = "0";
  if (policy !== undefined) body.policy = policy;
  if (timeout !== undefined) body.timeout_ms = millis(timeout, "timeout");
  if (deadline !== undefined) body.deadline = new Date(deadline).toISOString();
  if (resultTtl !== undefined) body.record_ttl_ms = millis(resultTtl, "resultTtl");
  if (tags?.length) body.tags = tags;
  let subject = `${prefix}.q.${queue}.${id}`;
  if (due !== undefined) {
    if (now !== undefined) body.enqueued_at = now.toISOString();
    body.due_at = headers["Naq-Not-Before"] = due.toISOString();
    headers["Nats-Schedule"] = `@at ${new Date(due.getTime() - AHEAD).toISOString()}`;
    headers["Nats-Schedule-Target"] = subject;
    subject = `${prefix}.s.${queue}.${id}`;
  }
  return { subject, headers, body };
}
