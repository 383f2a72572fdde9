// The stream of a queue, as NAQ's workers create it, and answers of the broker.

export const STREAM_NOT_FOUND = 10059;
export const STREAM_EXISTS = 10058;
// The subject has a message, although the send expected none.
export const WRONG_LAST_SEQUENCE = 10071;

// Answers that pass by themselves: a broker that starts, elects a leader, or has no quorum.
export const TRANSIENT = new Set([
  10004, // temporarily unavailable
  10005, // no suitable peers
  10008, // system temporarily unavailable
  10023, // insufficient resources: until an operator makes room
  10039, // JetStream not enabled for the account, while the server starts
  10074, // replicas are not available
  10076, // JetStream not enabled, while the server starts
  10158, // the same message id is being stored: an earlier send is not finished
]);

/**
 * How many copies a new stream gets. `state` is the configuration of the stream of the state store, whose
 * metadata says how many all streams have.
 */
export function copies(state, configured, clustered) {
  const written = Number(state?.metadata?.naq_replicas);
  if (Number.isInteger(written) && written > 0) return written;
  return configured || Math.max(clustered ? 3 : 1, state?.num_replicas ?? 1);
}

/**
 * The configuration of `NAQ_Q_<queue>`. Its metadata says which schema it has, as NAQ's own programs write it: they bring
 * a queue with an earlier one up, and leave one with a newer one alone.
 */
export function queueStream(prefix, queue, replicas, storage) {
  return {
    name: `${prefix.toUpperCase()}_Q_${queue}`,
    subjects: [`${prefix}.q.${queue}.>`, `${prefix}.s.${queue}.>`],
    retention: "workqueue",
    discard: "old",
    storage,
    num_replicas: replicas,
    duplicate_window: 120_000_000_000,
    max_consumers: -1,
    max_msgs: -1,
    max_bytes: -1,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    max_age: 0,
    allow_direct: true,
    allow_msg_ttl: true,
    allow_msg_schedules: true,
    metadata: { naq_schema: "1" },
  };
}
