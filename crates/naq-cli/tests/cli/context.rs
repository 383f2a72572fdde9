//! Contexts: which broker a command uses, and what their file holds.

use std::process::Command;

use serde_json::json;

use crate::run::{Broker, Ran, finish, naq};

/// A user with a directory for contexts.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = naq();
        command.env("NAQ_CONFIG_DIR", self.0.path()).args(args);
        command
    }

    fn naq(&self, args: &[&str]) -> Ran {
        finish(&mut self.command(args))
    }
}

const AWAY: &str = "nats://127.0.0.1:9";

#[test]
fn a_context_names_a_broker_for_one_command_or_for_all() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    let user = User::new();
    let url = broker.server.url();
    user.naq(&["context", "add", "prod", "--nats-url", &url]).ok();
    user.naq(&["context", "add", "away", "--nats-url", AWAY, "--use"]).ok();
    let list = user.naq(&["context", "list", "-o", "json"]).ok().json();
    assert_eq!((&list[0]["name"], &list[0]["current"]), (&json!("away"), &json!(true)), "{list}");
    assert_eq!(user.naq(&["queue", "list"]).code, 4, "the current context is away");
    let queues = user.naq(&["-C", "prod", "queue", "list", "-o", "json"]).ok().json();
    assert_eq!(queues[0]["name"], "default", "{queues}");
    let by_variable = |args: &[&str]| finish(user.command(args).env("NAQ_CONTEXT", "away")).code;
    assert_eq!(by_variable(&["queue", "list"]), 4);
    assert_eq!(by_variable(&["queue", "list", "--nats-url", &url]), 0, "the command line counts");
    let by_url = finish(user.command(&["queue", "list"]).env("NAQ_NATS_URL", &url));
    assert_eq!(by_url.code, 0, "a variable counts more than the current context: {by_url:?}");
    // The password of another broker is not sent to this one.
    let mut mixed = user.command(&["-C", "prod", "queue", "list"]);
    assert_eq!(finish(mixed.env("NAQ_NATS_TOKEN", "of-another-broker")).code, 0);

    user.naq(&["context", "use", "prod"]).ok();
    assert_eq!(user.naq(&["queue", "list"]).code, 0);
    user.naq(&["context", "remove", "away"]).ok();
    let both = user.naq(&["-C", "prod", "--nats-url", &url, "queue", "list"]);
    assert_eq!(both.code, 2, "{both:?}");
    let unknown = user.naq(&["-C", "away", "queue", "list"]);
    assert_eq!(unknown.code, 3, "{unknown:?}");
    assert!(unknown.stderr.contains("known: prod"), "{unknown:?}");
    user.naq(&["context", "remove", "prod"]).ok();
    assert_eq!(user.naq(&["context", "list", "-o", "json"]).ok().json(), json!([]));
}

#[test]
fn the_file_of_the_contexts_holds_no_secret_and_only_its_user_can_read_it() {
    let user = User::new();
    let in_url = ["context", "add", "bad", "--nats-url", "nats://ann:hunter2@127.0.0.1:4222"];
    let refused = user.naq(&in_url);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    let add = ["context", "add", "prod", "--nats-url", AWAY, "--nats-user", "ann"];
    let token = finish(user.command(&add[..5]).env("NAQ_NATS_TOKEN", "hunter2"));
    assert_eq!(token.code, 2, "{token:?}");
    finish(user.command(&add).env("NAQ_NATS_PASSWORD", "hunter2")).ok();
    let file = user.0.path().join("contexts.json");
    let text = std::fs::read_to_string(&file).expect("a file");
    assert!(text.contains("ann") && !text.contains("hunter2"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let left: Vec<_> = std::fs::read_dir(user.0.path()).expect("a directory").collect();
    assert_eq!(left.len(), 1, "no other file is left: {left:?}");
    std::fs::write(&file, "no JSON").expect("writes");
    let broken = user.naq(&["queue", "list"]);
    assert_eq!(broken.code, 2, "{broken:?}");
    assert!(broken.stderr.contains("contexts.json is not a file of contexts"), "{broken:?}");
}

#[test]
fn a_user_without_a_home_directory_needs_no_contexts() {
    let mut command = naq();
    for name in ["NAQ_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME", "APPDATA"] {
        command.env_remove(name);
    }
    let ran = finish(command.args(["queue", "list", "--nats-url", AWAY]));
    assert_eq!(ran.code, 4, "{ran:?}");
}
