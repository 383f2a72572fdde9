//! The statements for SQLite.

use crate::store::implement_store;

implement_store!(sqlx::Sqlite, sql);

mod sql {
    pub(super) const SCHEMA: &str = include_str!("../migrations/sqlite.sql");
    pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

    /// The time in milliseconds.
    macro_rules! now {
        () => {
            "CAST((julianday('now') - 2440587.5) * 86400000.0 AS INTEGER)"
        };
    }
    pub(super) const NOW: &str = now!();

    /// There is one writer at a time, so that a row with a smaller number is always visible first.
    pub(super) const LOCK_ORDER_KEYS: Option<&str> = None;

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
         ORDER BY o.seq LIMIT $1"
    );

    /// The rows of these keys that are not settled, up to a number.
    pub(super) const OPEN_OF_KEYS: &str = "SELECT order_key, seq FROM naq_outbox \
         WHERE order_key IN (SELECT value FROM json_each($1)) AND seq <= $2 \
           AND state IN ('pending', 'failed', 'unclear') ORDER BY seq";

    pub(super) const TAKE: &str = concat!(
        "UPDATE naq_outbox SET taken_by = $2, free_ms = ",
        now!(),
        " + $3, offered_ms = COALESCE(offered_ms, ",
        now!(),
        ") WHERE seq IN (SELECT value FROM json_each($1))"
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
             body = CASE WHEN s.state = 'published' THEN x'' ELSE body END, \
             args = CASE WHEN s.state = 'published' THEN NULL ELSE args END \
         FROM (SELECT json_extract(value, '$.seq') AS seq, json_extract(value, '$.state') AS state, \
                 json_extract(value, '$.wait_ms') AS wait_ms, json_extract(value, '$.refused') AS refused, \
                 json_extract(value, '$.error') AS error, json_extract(value, '$.not_stored') AS not_stored \
               FROM json_each($1)) AS s \
         WHERE naq_outbox.seq = s.seq AND taken_by = $2"
    );

    pub(super) const LIST: &str = "SELECT seq, queue, job_id, task, order_key, state, attempts, error, created_ms, \
             offered_ms, settled_ms FROM naq_outbox \
         WHERE state IN (SELECT value FROM json_each($1)) AND seq > $2 ORDER BY seq LIMIT $3";

    /// An unclear row is looked for again, and then sent: the operator wants that.
    pub(super) const RETRY: &str = concat!(
        "UPDATE naq_outbox SET state = 'pending', attempts = 0, free_ms = 0, \
             offered_ms = CASE WHEN offered_ms IS NULL THEN NULL ELSE ",
        now!(),
        " END \
         WHERE state IN ('failed', 'unclear') \
           AND ($1 IS NULL OR seq IN (SELECT value FROM json_each($1)))"
    );

    pub(super) const DISCARD: &str = concat!(
        "UPDATE naq_outbox SET state = 'discarded', settled_ms = ",
        now!(),
        " WHERE (state IN ('failed', 'unclear') \
               OR (state = 'pending' AND (taken_by IS NULL OR free_ms <= ",
        now!(),
        "))) \
           AND seq IN (SELECT value FROM json_each($1))"
    );

    pub(super) const PRUNE: &str = concat!(
        "DELETE FROM naq_outbox WHERE seq IN (SELECT seq FROM naq_outbox WHERE settled_ms <= ",
        now!(),
        " - $1 LIMIT $2)"
    );
}
