//! The outbox on real databases: SQLite in a file, and a PostgreSQL server of the test's own.
#![cfg(all(feature = "postgres", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod crash;
mod database;
mod enqueue;
mod failures;
mod operate;
mod order;
mod real;
mod world;
