//! The statements for PostgreSQL.

use crate::store::implement_store;

implement_store!(sqlx::Postgres, sql);

mod sql {
    pub(super) const SCHEMA: &str = include_str!("../migrations/postgres.sql");
    /// The rows are read in the order of an index. Without statistics of the table, and those of a new one are missing,
    /// PostgreSQL would sort the whole backlog for each batch.
    pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL enable_sort = off; \
         SET LOCAL enable_bitmapscan = off; SET LOCAL enable_seqscan = off";

    /// The time in milliseconds: the real time, not that of the start of the transaction.
    macro_rules! now {
        () => {
            "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
        };
    }
    pub(super) const NOW: &str = now!();

    /// Transactions with the same key wait for each other, so that a row with a smaller number is visible first. The
    /// keys are locked in one order, so that two of these statements cannot wait for each other.
    pub(super) const LOCK_ORDER_KEYS: Option<&str> = Some(
        "SELECT pg_advisory_xact_lock(number) FROM (\
             SELECT DISTINCT hashtextextended(key, 7077) AS number \
             FROM jsonb_array_elements_text($1::jsonb) AS key ORDER BY number) AS numbers",
    );

    pub(super) const HAS_ROWS: &str = concat!(
        "SELECT 1 FROM naq_outbox o WHERE o.state = 'pending' AND o.free_ms <= ",
        now!(),
        " AND (o.order_key IS NULL OR (\
             SELECT h.state = 'pending' AND h.free_ms <= ",
        now!(),
        " FROM naq_outbox h WHERE h.order_key = o.order_key \
               AND h.state IN ('pending', 'failed', 'unclear') ORDER BY h.seq LIMIT 1)) LIMIT 1"
    );

    /// A row whose key begins with a row that no relay may take now is left out.
    pub(super) const FIND: &str = concat!(
        "SELECT o.seq, o.queue, o.job_id, o.order_key, o.due_ms, o.id_rule, o.headers, o.body, o.args, \
                o.attempts, o.offered_ms, ",
        now!(),
        " FROM naq_outbox o WHERE o.state = 'pending' AND o.free_ms <= ",
        now!(),
        " AND (o.order_key IS NULL OR (\
             SELECT h.state = 'pending' AND h.free_ms <= ",
        now!(),
        " FROM naq_outbox h WHERE h.order_key = o.order_key \
               AND h.state IN ('pending', 'failed', 'unclear') ORDER BY h.seq LIMIT 1)) \
         ORDER BY o.seq LIMIT $1 FOR UPDATE OF o SKIP LOCKED"
    );

    /// The rows of these keys that are not settled, up to a number.
    pub(super) const OPEN_OF_KEYS: &str = "SELECT order_key, seq FROM naq_outbox \
         WHERE order_key IN (SELECT jsonb_array_elements_text($1::jsonb)) AND seq <= $2 \
           AND state IN ('pending', 'failed', 'unclear') ORDER BY seq";

    pub(super) const TAKE: &str = concat!(
        "UPDATE naq_outbox SET taken_by = $2, free_ms = ",
        now!(),
        " + $3, offered_ms = COALESCE(offered_ms, ",
        now!(),
        ") WHERE seq IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)"
    );

    /// The message of a published row is not needed any more.
    pub(super) const SETTLE: &str = concat!(
        "UPDATE naq_outbox SET state = s.state, taken_by = NULL, free_ms = ",
        now!(),
        " + s.wait_ms, attempts = attempts + s.refused, error = s.error, \
             offered_ms = CASE WHEN s.not_stored THEN NULL ELSE offered_ms END, \
             settled_ms = CASE WHEN s.state = 'published' THEN ",
        now!(),
        " END, \
             body = CASE WHEN s.state = 'published' THEN ''::bytea ELSE body END, \
             args = CASE WHEN s.state = 'published' THEN NULL ELSE args END \
         FROM jsonb_to_recordset($1::jsonb) AS s(seq bigint, state text, wait_ms bigint, refused bigint, \
             error text, not_stored boolean) \
         WHERE naq_outbox.seq = s.seq AND taken_by = $2"
    );

    pub(super) const LIST: &str = "SELECT seq, queue, job_id, task, order_key, state, attempts, error, created_ms, \
             offered_ms, settled_ms FROM naq_outbox \
         WHERE state IN (SELECT jsonb_array_elements_text($1::jsonb)) AND seq > $2 ORDER BY seq LIMIT $3";

    /// An unclear row is looked for again, and then sent: the operator wants that.
    pub(super) const RETRY: &str = concat!(
        "UPDATE naq_outbox SET state = 'pending', attempts = 0, free_ms = 0, \
             offered_ms = CASE WHEN offered_ms IS NULL THEN NULL ELSE ",
        now!(),
        " END \
         WHERE state IN ('failed', 'unclear') \
           AND ($1::text IS NULL OR seq IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint))"
    );

    pub(super) const DISCARD: &str = concat!(
        "UPDATE naq_outbox SET state = 'discarded', settled_ms = ",
        now!(),
        " WHERE (state IN ('failed', 'unclear') \
               OR (state = 'pending' AND (taken_by IS NULL OR free_ms <= ",
        now!(),
        "))) \
           AND seq IN (SELECT jsonb_array_elements_text($1::jsonb)::bigint)"
    );

    pub(super) const PRUNE: &str = concat!(
        "DELETE FROM naq_outbox WHERE seq IN (SELECT seq FROM naq_outbox WHERE settled_ms <= ",
        now!(),
        " - $1 LIMIT $2 FOR UPDATE SKIP LOCKED)"
    );
}
