"""The stream of a queue, as NAQ's workers create it, and answers of the broker."""

from typing import Any, Dict, Mapping

# How long the broker remembers a message id, in nanoseconds.
DUPLICATE_WINDOW = 120 * 1_000_000_000

STREAM_NOT_FOUND = 10059
STREAM_EXISTS = 10058
# The subject has a message, although the send expected none.
WRONG_LAST_SEQUENCE = 10071

# Answers that pass by themselves: a broker that starts, elects a leader, or has no quorum.
TRANSIENT = {
    10004,  # temporarily unavailable
    10005,  # no suitable peers
    10008,  # system temporarily unavailable
    10023,  # insufficient resources: until an operator makes room
    10039,  # JetStream not enabled for the account, while the server starts
    10074,  # replicas are not available
    10076,  # JetStream not enabled, while the server starts
    10158,  # the same message id is being stored: an earlier send is not finished
}


# The metadata of the stream of the state store: how many copies all streams have.
REPLICAS = "naq_replicas"


# The metadata of a stream that says which schema it has, and the schema of the stream that this package creates. It is
# the one of NAQ's own programs: they bring a queue with an earlier one up, and leave one with a newer one alone.
SCHEMA = "naq_schema"
QUEUE_SCHEMA = "1"


def copies(state: Mapping[str, Any], configured: int, clustered: bool) -> int:
    """How many copies a new stream gets. ``state`` is the configuration of the stream of the state store."""
    written = str((state.get("metadata") or {}).get(REPLICAS, ""))
    if written.isdecimal() and int(written) > 0:
        return int(written)
    return configured or max(3 if clustered else 1, int(state.get("num_replicas", 1)))


def queue_stream(prefix: str, queue: str, replicas: int, storage: str) -> Dict[str, Any]:
    """The configuration of ``NAQ_Q_<queue>``."""
    return {
        "name": f"{prefix.upper()}_Q_{queue}",
        "subjects": [f"{prefix}.q.{queue}.>", f"{prefix}.s.{queue}.>"],
        "retention": "workqueue",
        "discard": "old",
        "storage": storage,
        "num_replicas": replicas,
        "duplicate_window": DUPLICATE_WINDOW,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_msgs_per_subject": -1,
        "max_msg_size": -1,
        "max_age": 0,
        "allow_direct": True,
        "allow_msg_ttl": True,
        "allow_msg_schedules": True,
        "metadata": {SCHEMA: QUEUE_SCHEMA},
    }
