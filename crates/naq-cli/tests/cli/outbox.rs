//! `naq outbox`: relays as processes that are killed, and the rows.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use naq_client::Client;
use naq_memory::MemoryTransport;
use naq_outbox::{Outbox, OutboxDatabase, OutboxTable, PgOutbox, SqliteOutbox, in_order};
use naq_testing::{ChildProcess, PostgresServer, eventually};
use serde_json::{Value, json};
use sqlx::{PgPool, SqlitePool};

use crate::run::{Broker, PATIENCE, Ran, finish, naq, offline};

const ROWS: u32 = 2_000;

/// A client without a broker, as a program has it that only enqueues into its database.
fn offline_client() -> Client {
    Client::new(Arc::new(MemoryTransport::new()))
}

async fn enqueue<DB: OutboxDatabase>(outbox: &Outbox<DB>, conn: &mut DB::Connection, rows: u32) {
    let jobs = (0..rows).map(|n| {
        let job = outbox.client().enqueue_task("count", &n).expect("a task").queue("counted");
        in_order(format!("key {}", n % 50), job)
    });
    outbox.enqueue_all(conn, jobs).await.expect("inserts");
}

fn sqlite_url(dir: &Path) -> String {
    format!("sqlite:{}?mode=rwc", dir.join("shop.db").display())
}

/// Adds pending rows, and the table if it is not there.
async fn add_rows(url: &str, rows: u32) {
    if url.starts_with("sqlite:") {
        let pool = SqlitePool::connect(url).await.expect("connects");
        OutboxTable::new(pool.clone()).create().await.expect("creates");
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.expect("begins");
        enqueue(&SqliteOutbox::new(offline_client()), &mut tx, rows).await;
        tx.commit().await.expect("commits");
        pool.close().await;
        return;
    }
    let pool = PgPool::connect(url).await.expect("connects");
    OutboxTable::new(pool.clone()).create().await.expect("creates");
    let mut tx = pool.begin().await.expect("begins");
    enqueue(&PgOutbox::new(offline_client()), &mut tx, rows).await;
    tx.commit().await.expect("commits");
    pool.close().await;
}

#[tokio::main(flavor = "current_thread")]
async fn sqlite_with(url: &str, rows: u32) {
    add_rows(url, rows).await;
}

#[tokio::main(flavor = "current_thread")]
async fn execute(url: &str, sql: &str) {
    let pool = SqlitePool::connect(url).await.expect("connects");
    sqlx::query(sql).execute(&pool).await.expect("executes");
    pool.close().await;
}

impl Broker {
    fn relay(&self, database: &str) -> Command {
        let mut command = naq();
        command.env("NAQ_NATS_URL", self.server.url()).env("DATABASE_URL", database);
        command.args(["outbox", "relay", "--batch", "50", "--lease", "10s", "--poll", "10ms"]);
        command
    }
}

fn outbox(database: &str, args: &[&str]) -> Ran {
    let args = [&["outbox"], args].concat();
    finish(naq().env("NAQ_NATS_URL", "nats://127.0.0.1:9").env("DATABASE_URL", database).args(args))
}

fn json_of(database: &str, args: &[&str]) -> Value {
    outbox(database, &[args, &["-o", "json"]].concat()).ok().json()
}

/// The states of all rows, with their numbers.
fn published(database: &str) -> usize {
    let args = ["list", "--state", "published", "--limit", "10000"];
    json_of(database, &args).as_array().expect("a list").len()
}

#[test]
fn relays_that_are_killed_publish_each_row_once_on_postgres() {
    let server = PostgresServer::start().unwrap_or_else(|err| panic!("{err:#}"));
    kill_relays(&server.url());
}

#[test]
fn relays_that_are_killed_publish_each_row_once_on_sqlite() {
    let dir = tempfile::tempdir().expect("a directory");
    let url = sqlite_url(dir.path());
    sqlite_with(&url, 0);
    execute(&url, "PRAGMA journal_mode = WAL");
    kill_relays(&url);
}

/// Two relays at a time. One is killed while they publish the rows of each page.
#[tokio::main(flavor = "current_thread")]
async fn kill_relays(database: &str) {
    let broker = Broker::start();
    let start = || ChildProcess::spawn(broker.relay(database)).expect("starts");
    add_rows(database, 0).await;
    let mut relays = [start(), start()];
    for victim in [0, 1, 0, 1] {
        let before = published(database);
        add_rows(database, ROWS / 4).await;
        eventually("a relay to publish", PATIENCE, async || published(database) > before).await;
        relays[victim].kill().expect("kills");
        relays[victim] = start();
    }
    eventually("all rows to be published", PATIENCE, async || published(database) == ROWS as usize)
        .await;
    for mut relay in relays {
        relay.terminate().expect("stops");
        let status = relay.wait(PATIENCE).await.expect("ends");
        assert!(status.success(), "{}", relay.stderr());
    }
    let info = broker.json(&["queue", "info", "counted"]);
    assert_eq!(info["pending"], ROWS, "{info}");
}

#[test]
fn rows_are_listed_retried_and_discarded() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().expect("a directory");
    let url = sqlite_url(dir.path());
    let missing = outbox(&url, &["list"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(missing.stderr.contains("next: create it: naq outbox create-table"), "{missing:?}");
    outbox(&url, &["create-table"]).ok();
    outbox(&url, &["create-table"]).ok();
    assert_eq!(json_of(&url, &["list"]), json!([]));

    sqlite_with(&url, 4);
    execute(&url, "UPDATE naq_outbox SET headers = 'x' WHERE seq <= 2");
    let relayed = finish(broker.relay(&url).args(["--once", "-o", "json"])).ok().json();
    assert_eq!((&relayed["published"], &relayed["failed"]), (&json!(2), &json!(2)), "{relayed}");
    let rows = json_of(&url, &["list"]);
    assert_eq!(rows.as_array().expect("a list").len(), 2);
    assert_eq!((&rows[0]["state"], &rows[0]["attempts"]), (&json!("failed"), &json!(1)), "{rows}");
    assert_eq!(rows[0]["order_key"], "key 0");
    let table = outbox(&url, &["list"]).ok();
    assert!(table.stdout.contains("headers cannot be read"), "{table:?}");
    let limited = outbox(&url, &["list", "--limit", "1"]).ok();
    assert!(limited.stderr.contains("--after 1"), "{limited:?}");

    let refused = outbox(&url, &["discard", "1"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert_eq!(json_of(&url, &["discard", "1", "--yes"]), json!({ "rows": 1 }));
    let nothing = outbox(&url, &["discard", "1", "99", "--yes"]);
    assert_eq!(nothing.code, 3, "{nothing:?}");
    assert_eq!(json_of(&url, &["retry", "--all"]), json!({ "rows": 1 }));
    assert_eq!(outbox(&url, &["retry", "2"]).code, 3);
    assert_eq!(json_of(&url, &["list", "--state", "pending"]).as_array().expect("a list").len(), 1);
    assert_eq!(json_of(&url, &["list", "--state", "discarded"])[0]["row"], 1);
}

#[test]
fn the_schema_of_both_databases_is_printed_and_a_wrong_address_is_explained() {
    for (kind, type_of_bytes) in [("postgres", "BYTEA"), ("sqlite", "BLOB")] {
        let printed = offline(&["outbox", "create-table", "--print", kind]).ok();
        assert!(printed.stdout.contains("CREATE TABLE IF NOT EXISTS naq_outbox"), "{printed:?}");
        assert!(printed.stdout.contains(type_of_bytes), "{printed:?}");
    }
    let none = finish(naq().env_remove("DATABASE_URL").args(["outbox", "list"]));
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.stderr.contains("DATABASE_URL"), "{none:?}");
    let other = outbox("mysql://me:secret@host/db", &["list"]);
    assert_eq!(other.code, 2, "{other:?}");
    assert!(!other.stderr.contains("secret"), "{other:?}");
    let absent = outbox("sqlite:/no/such/directory/shop.db", &["list"]);
    assert_eq!(absent.code, 1, "{absent:?}");
}
