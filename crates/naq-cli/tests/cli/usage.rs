//! Usage errors: exit code 2, the wrong part and what is allowed, before any connection.

use crate::run::{finish, naq, offline};

/// Arguments, and parts of the error text.
const MISTAKES: &[(&[&str], &[&str])] = &[
    (&["worker", "a.b"], &["a.b", "letters, digits"]),
    (&["worker", "--concurrency", "0"], &["0", "1..=10000"]),
    (&["worker", "--lease", "1ms"], &["--lease", "100ms"]),
    // Some durations may be plain numbers, which mean seconds.
    (&["worker", "--worker-ttl", "5"], &["--heartbeat-interval 5s", "--worker-ttl 5s"]),
    (&["worker", "--shutdown-timeout", "soon"], &["soon", "1m30s"]),
    (&["worker", "--log-level", "loud"], &["loud", "debug"]),
    (&["wroker"], &["wroker", "worker"]),
    (&["enqueue"], &["<TASK>"]),
    (&["enqueue", "a b"], &["a b", "task name"]),
    (&["enqueue", "t", "--args", "{"], &["--args is not JSON", "EOF"]),
    (&["enqueue", "t", "--args", "@/nowhere/at-all"], &["/nowhere/at-all", "No such file"]),
    (&["enqueue", "t", "--queue", "a*"], &["a*", "queue name"]),
    (&["enqueue", "t", "--id", "a.b"], &["a.b", "job id"]),
    (&["enqueue", "t", "--retry-strategy", "cubic"], &["cubic", "exponential"]),
    (&["enqueue", "t", "--retry-delay", "5"], &["5", "500ms"]),
    (&["enqueue", "t", "--retry-delay", "2s//5s"], &["--retry-delay", "500ms"]),
    (&["enqueue", "t", "--retry-increment", "5s"], &["increment", "linear"]),
    (
        &["enqueue", "t", "--retry-multiplier", "0.5", "--retry-strategy", "exponential"],
        &["multiplier", "from 1"],
    ),
    (&["enqueue", "t", "--retry-on", "A||B"], &["--retry-on", "error kind"]),
    (&["enqueue", "t", "--jitter", "2"], &["jitter", "0 to 1"]),
    (&["enqueue", "t", "--max-crashes", "0"], &["max_crashes", "at least 1"]),
    (&["enqueue", "t", "--policy", "fixed:5s,retries=1"], &["retries", "max_retries"]),
    (&["enqueue", "t", "--timeout", "0s"], &["timeout is zero"]),
    (&["enqueue", "t", "--at", "tomorrow"], &["tomorrow", "without a zone it is UTC"]),
    (&["enqueue", "t", "--at", "2026-11-23T12:00:00Z", "--delay", "1s"], &["--delay", "--at"]),
    (&["enqueue", "t", "--in", "1s", "--at", "18:00"], &["--delay", "--at"]),
    (&["enqueue", "t", "--deadline", "24:00"], &["24:00", "without a zone it is UTC"]),
    (&["enqueue", "t", "--unique", ""], &["unique key", "1 to 128 bytes"]),
    (&["enqueue", "t", "--unique-for", "10m"], &["--unique <KEY>"]),
    (
        &["enqueue", "t", "--unique", "a", "--until-started", "--unique-for", "1m"],
        &["--until-started"],
    ),
    (&["enqueue", "t", "--debounce", "a"], &["KEY=DURATION", "index-7=5s"]),
    (&["enqueue", "t", "--debounce", "a=5s", "--id", "b"], &["--debounce", "--id"]),
    (&["enqueue", "t", "--debounce", "a=5s", "--throttle", "a=5s"], &["--debounce", "--throttle"]),
    (&["enqueue", "t", "--debounce", "a=5s", "--max-wait", "1s"], &["max_wait is shorter"]),
    (&["enqueue", "t", "--max-wait", "1s"], &["--debounce <KEY=WAIT>"]),
    (&["enqueue", "t", "--throttle", "a=1m", "--unique", "b"], &["--throttle", "--unique"]),
    (&["enqueue", "t", "--file", "x", "--id", "a"], &["--file", "--id"]),
    (&["enqueue", "--file", "/nowhere/at-all"], &["/nowhere/at-all", "No such file"]),
    (&["enqueue", "t", "--tag", ""], &["tag"]),
    (&["enqueue", "t", "--serializer", "pickle"], &["pickle", "json, msgpack"]),
    (&["job", "show"], &["<ID>"]),
    (&["job", "show", "a.b"], &["a.b", "job id"]),
    (&["dlq", "requeue"], &["no dead letters are selected", "--all"]),
    (&["dlq", "requeue", "--all", "--queue", "q"], &["--all", "--queue"]),
    (&["dlq", "requeue", "x", "--task", "t"], &["ids", "--task"]),
    (&["dlq", "requeue", "--all", "--rate", "fast"], &["fast", "50/s"]),
    (&["dlq", "requeue", "--error-kind", "a b", "--yes"], &["a b", "error kind"]),
    (&["dlq", "purge", "--all"], &["no terminal", "--yes"]),
    (&["queue", "purge", "q"], &["no terminal", "--yes"]),
    (&["purge", "q"], &["no terminal", "--yes"]),
    (
        &["queue", "pause", "q", "--for", "1h", "--until", "2026-11-23T12:00:00Z"],
        &["--for", "--until"],
    ),
    (&["retry", "preview", ""], &["malformed start", "exponential"]),
    (&["retry", "preview", "fixed"], &["fixed", "STRATEGY:DELAY"]),
    (&["retry", "preview", "cubic:5s"], &["cubic", "linear"]),
    (&["retry", "preview", "fixed:5x"], &["5x", "500ms"]),
    (&["retry", "preview", "fixed:5s,"], &["malformed part \"\"", "key=value"]),
    (&["retry", "preview", "fixed:5s,max_retrys=1"], &["max_retrys", "max_retries"]),
    (&["retry", "preview", "fixed:5s,max_retries=1,max_retries=2"], &["max_retries", "twice"]),
    (&["retry", "preview", "fixed:5s,retry_on="], &["retry_on", "ConnectionError"]),
    (&["retry", "decide", "fixed:5s", "--error", "a b", "--attempt", "1"], &["a b", "error kind"]),
    (&["retry", "decide", "fixed:5s", "--error", "A", "--attempt", "0"], &["0", "--attempt"]),
    (&["retry", "decide", "fixed:5s", "--error", "A"], &["--attempt"]),
    (&["queue", "list", "--nats-url", "http://x"], &["--nats-url", "nats://HOST:PORT"]),
    (&["queue", "list", "--nats-url", "nats://h:port"], &["--nats-url", "nats://HOST:PORT"]),
    (&["queue", "list", "--prefix", "A.B"], &["--prefix", "lower-case"]),
    (&["queue", "list", "--nats-user", "ann"], &["--nats-user", "NAQ_NATS_PASSWORD"]),
    (&["queue", "list", "--nats-creds", "/nowhere/x"], &["--nats-creds", "/nowhere/x"]),
    (&["queue", "list", "--nats-ca", "/nowhere/x"], &["--nats-ca", "/nowhere/x"]),
    (&["queue", "list", "--replicas", "9"], &["9", "1..=5"]),
    (&["queue", "list", "-o", "yaml"], &["yaml", "jsonl"]),
];

#[test]
fn a_usage_error_is_found_before_the_connection() {
    for (args, parts) in MISTAKES {
        let ran = offline(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {ran:?}");
        for part in *parts {
            assert!(ran.stderr.contains(part), "{args:?} lacks {part:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_wrong_variable_is_a_usage_error_too() {
    for (variable, value) in [
        ("NAQ_LOG_LEVEL", "loud"),
        ("NAQ_JOB_SERIALIZER", "pickle"),
        ("NAQ_DEFAULT_QUEUE", "a.b"),
        ("NAQ_NATS_URL", "http://x"),
        ("NAQ_NATS_PASSWORD", "a password without a user"),
    ] {
        let ran = finish(naq().env(variable, value).args(["enqueue", "t"]));
        assert_eq!(ran.code, 2, "{variable}: {ran:?}");
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let mut command = naq();
    for variable in [
        "NAQ_NATS_USER",
        "NAQ_NATS_PASSWORD",
        "NAQ_LOG_LEVEL",
        "NAQ_DEFAULT_QUEUE",
        "NAQ_REPLICAS",
        "NAQ_OUTPUT",
    ] {
        command.env(variable, "");
    }
    let ran = finish(command.args(["enqueue", "t", "--nats-url", "nats://127.0.0.1:9"]));
    assert_eq!(ran.code, 4, "{ran:?}");
}

#[test]
fn two_forms_of_credentials_are_refused() {
    let mut command = naq();
    command.env("NAQ_NATS_TOKEN", "hunter2").env("NAQ_NATS_PASSWORD", "hunter2");
    let ran = finish(command.args(["queue", "list", "--nats-user", "ann"]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(
        ran.stderr.contains("more than one form") && !ran.stderr.contains("hunter2"),
        "{ran:?}"
    );
}

#[test]
fn error_texts_match_the_snapshots() {
    for (name, args) in [
        ("error-queue", ["worker", "a.b"].as_slice()),
        ("error-policy", &["retry", "preview", "fixed:5s,max_retrys=1"]),
        ("error-args", &["enqueue", "t", "--args", "{to: a}"]),
        ("error-selection", &["dlq", "requeue"]),
        ("error-command", &["que"]),
        ("error-no-tasks", &["worker"]),
    ] {
        insta::assert_snapshot!(name, offline(args).stderr);
    }
}

#[test]
fn a_worker_without_tasks_says_how_to_give_it_some() {
    let ran = offline(&["worker"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("naq_cli::main"), "{ran:?}");
}
