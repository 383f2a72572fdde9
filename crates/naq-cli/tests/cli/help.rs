//! Help texts: complete, and as in the snapshots.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::run::{finish, naq, offline};

const COMMANDS: &[&str] = &[
    "worker",
    "enqueue",
    "job",
    "job list",
    "job show",
    "job cancel",
    "job run-again",
    "job retry-now",
    "job wait",
    "job watch",
    "find",
    "dlq",
    "dlq list",
    "dlq show",
    "dlq requeue",
    "dlq purge",
    "dlq trim",
    "queue",
    "queue list",
    "queue info",
    "queue pause",
    "queue resume",
    "queue purge",
    "breaker",
    "breaker list",
    "breaker show",
    "breaker open",
    "breaker close",
    "breaker reset",
    "schedule",
    "schedule add",
    "schedule list",
    "schedule show",
    "schedule update",
    "schedule pause",
    "schedule resume",
    "schedule run",
    "schedule delete",
    "schedule next",
    "workflow",
    "workflow show",
    "workflow list",
    "workflow cancel",
    "new",
    "workers",
    "workers drain",
    "audit",
    "batch",
    "batch list",
    "batch undo",
    "top",
    "retry",
    "retry preview",
    "retry explain",
    "retry decide",
    "context",
    "context add",
    "context list",
    "context use",
    "context remove",
    "key",
    "key new",
    "key public",
    "doctor",
    "migrate",
    "check",
    "check queue",
    "check worker",
    "check dlq",
    "dashboard",
    "dashboard user",
    "dashboard user add",
    "gateway",
    "gateway key",
    "gateway key add",
    "gateway key list",
    "gateway key remove",
    "conformance",
    "conformance handler",
    "outbox",
    "outbox relay",
    "outbox list",
    "outbox retry",
    "outbox discard",
    "outbox create-table",
    "dev",
    "bench",
    "completions",
    "man",
];

#[test]
fn help_matches_the_snapshots() {
    insta::assert_snapshot!("help", offline(&["--help"]).ok().stdout);
    for command in COMMANDS {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("-h");
        let name = format!("help-{}", command.replace(' ', "-"));
        insta::assert_snapshot!(name, offline(&args).ok().stdout);
    }
}

#[test]
fn commands_with_arguments_have_examples() {
    for command in [
        "worker",
        "enqueue",
        "job show",
        "job cancel",
        "job run-again",
        "job wait",
        "job watch",
        "find",
        "dlq list",
        "dlq requeue",
        "dlq purge",
        "dlq trim",
        "queue pause",
        "breaker open",
        "breaker close",
        "schedule add",
        "schedule show",
        "schedule update",
        "schedule run",
        "schedule next",
        "retry preview",
        "retry explain",
        "retry decide",
        "context add",
        "top",
        "check",
        "check queue",
        "check worker",
        "check dlq",
        "dashboard",
        "gateway",
        "conformance handler",
        "outbox",
        "outbox relay",
        "outbox list",
        "outbox retry",
        "outbox discard",
        "outbox create-table",
        "dev",
        "bench",
        "completions",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        assert!(offline(&args).ok().stdout.contains("Examples:"), "{command}");
    }
}

#[test]
fn variables_are_in_the_help_and_their_values_are_not() {
    let mut command = naq();
    command.env("NAQ_NATS_URL", "nats://ann:hunter2@127.0.0.1:9").env("NAQ_NATS_USER", "hunter2");
    let ran = finish(command.args(["worker", "--help"])).ok();
    for variable in [
        "NAQ_NATS_URL",
        "NAQ_NATS_USER",
        "NAQ_NATS_PASSWORD",
        "NAQ_NATS_TOKEN",
        "NAQ_NATS_CREDS",
        "NAQ_DEFAULT_QUEUE",
        "NAQ_LOG_LEVEL",
        "NAQ_LOG_FORMAT",
        "NAQ_CONCURRENCY",
        "NAQ_DEFAULT_ACK_WAIT",
        "NAQ_WORKER_HEARTBEAT_INTERVAL",
        "NAQ_WORKER_TTL",
        "NAQ_SHUTDOWN_TIMEOUT",
        "NAQ_PREFIX",
        "NAQ_REPLICAS",
        "NAQ_STORAGE",
    ] {
        assert!(ran.stdout.contains(variable), "{variable}");
    }
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
}

/// This needs no broker, unlike the command above it.
#[cfg(feature = "dashboard")]
const USERS: &[&str] = &["dashboard", "user", "add"];
#[cfg(not(feature = "dashboard"))]
const USERS: &[&str] = &["key", "new"];

#[test]
fn commands_without_a_broker_have_no_connection_options() {
    for command in [["retry", "preview"].as_slice(), &["completions"], &["man"], USERS] {
        let help = offline(&[command, &["--help"]].concat()).ok().stdout;
        assert!(!help.contains("--nats-url") && help.contains("--output"), "{help}");
    }
}

/// What bash completes at the end of this line, with the script of `naq completions bash`.
fn completed_by_bash(words: &[&str]) -> String {
    let script = offline(&["completions", "bash"]).ok().stdout;
    let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let (last, line) = (words.len() - 1, words.join(" "));
    let ask = format!(
        "compopt() {{ :; }}\nCOMP_WORDS=({line}); COMP_CWORD={last}\n\
         _naq naq \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    // From stdin, because the script is too long for an argument.
    checked_by("bash", &["-s"], &format!("{script}\n{ask}\n")).expect("bash")
}

#[test]
fn bash_completes_states_and_commands_and_offers_files_only_for_files() {
    let states = completed_by_bash(&["naq", "job", "list", "--state", "re"]);
    assert_eq!(states, "retrying\n");
    let all = completed_by_bash(&["naq", "job", "list", "--state", ""]);
    assert_eq!(all.lines().count(), 9, "{all}");
    assert!(completed_by_bash(&["naq", "workers", "sh"]).contains("show"));
    let queues = completed_by_bash(&["naq", "job", "list", "--queue", "Car"]);
    assert!(!queues.contains("Cargo.toml"), "no file is a queue: {queues}");
    let files = completed_by_bash(&["naq", "enqueue", "--file", "Car"]);
    assert!(files.contains("Cargo.toml"), "{files}");
}

/// Checks with a program that reads the text from stdin, if this machine has it.
fn checked_by(program: &str, args: &[&str], text: &str) -> Option<String> {
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.ok()?;
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let ran = child.wait_with_output().expect("ends");
    Some(format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    ))
}

#[test]
fn the_shells_and_man_programs_of_this_machine_accept_the_scripts_and_the_page() {
    for shell in ["bash", "zsh", "fish"] {
        let script = offline(&["completions", shell]).ok().stdout;
        let said = checked_by(shell, &["-n"], &script).unwrap_or_default();
        assert_eq!(said, "", "{shell}");
    }
    let page = offline(&["man"]).ok().stdout;
    let said = checked_by("groff", &["-man", "-ww", "-z", "-Tutf8"], &page).unwrap_or_default();
    assert_eq!(said, "", "groff");
    let said = checked_by("mandoc", &["-Tlint", "-Wwarning"], &page).unwrap_or_default();
    assert_eq!(said, "", "mandoc");
}

#[test]
fn completions_and_manual_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = offline(&["completions", shell]).ok().stdout;
        for word in ["retry-now", "requeue", "max-retries"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = offline(&["man"]).ok().stdout;
    for word in ["NAQ DLQ REQUEUE", "NAQ RETRY DECIDE", "max\\-retries"] {
        assert!(page.contains(word), "{word}");
    }
}
