-- The outbox of NAQ, for PostgreSQL 12 or newer. Copy it into the migrations of your application.
-- All times are milliseconds since 1970 by the clock of the database.
CREATE TABLE IF NOT EXISTS naq_outbox (
    seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue       TEXT   NOT NULL,
    job_id      TEXT   NOT NULL,
    task        TEXT   NOT NULL,
    -- Rows with the same key are published one after the other.
    order_key   TEXT,
    due_ms      BIGINT,
    -- random, chosen or once: who chose the id, and whether it may be used again.
    id_rule     TEXT   NOT NULL,
    -- The message as it is published: a JSON list of names and values, and the body.
    headers     TEXT   NOT NULL,
    body        BYTEA  NOT NULL,
    -- Arguments that the broker keeps beside the message.
    args        BYTEA,
    -- pending, published, failed, unclear or discarded.
    state       TEXT   NOT NULL DEFAULT 'pending',
    -- How often the broker refused it.
    attempts    BIGINT NOT NULL DEFAULT 0,
    error       TEXT,
    created_ms  BIGINT NOT NULL,
    -- The relay that has it, and from when on another one may take it.
    taken_by    TEXT,
    free_ms     BIGINT NOT NULL DEFAULT 0,
    -- Since when the broker may have it. Empty while it is certain that the broker does not.
    offered_ms  BIGINT,
    -- When it was published or discarded.
    settled_ms  BIGINT
);
CREATE INDEX IF NOT EXISTS naq_outbox_pending ON naq_outbox (seq) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS naq_outbox_order ON naq_outbox (order_key, seq)
    WHERE order_key IS NOT NULL AND state IN ('pending', 'failed', 'unclear');
CREATE INDEX IF NOT EXISTS naq_outbox_stopped ON naq_outbox (seq) WHERE state IN ('failed', 'unclear');
CREATE INDEX IF NOT EXISTS naq_outbox_settled ON naq_outbox (settled_ms) WHERE settled_ms IS NOT NULL;
