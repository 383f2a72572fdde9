//! Brokers that cannot be reached or refuse the credentials; and secrets, which are never printed.

use std::process::Command;
use std::time::Duration;

use naq_core::{Clock, SystemClock};
use naq_testing::NatsServer;

use crate::run::{finish, naq};

const COMMANDS: &[&[&str]] = &[
    &["enqueue", "t"],
    &["job", "show", "x"],
    &["dlq", "list"],
    &["dlq", "purge", "--all", "--yes"],
    &["queue", "list"],
    &["workers"],
    &["doctor"],
];

#[test]
fn without_a_broker_a_command_soon_ends_with_exit_4() {
    for args in COMMANDS {
        let begun = SystemClock.now();
        let mut command = naq();
        command.env("NAQ_NATS_URL", "nats://ann:hunter2@127.0.0.1:9");
        let ran = finish(command.args(*args));
        assert_eq!(ran.code, 4, "{args:?}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("127.0.0.1:9") && said.contains("naq dev"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert!(SystemClock.now().since(begun) < Duration::from_secs(10), "{args:?}");
    }
}

#[test]
fn a_wrong_password_is_exit_5_and_is_not_printed() {
    let server = NatsServer::builder()
        .config("authorization { user: ann, password: right-one }")
        .start()
        .expect("a broker");
    let with = |password: &str, args: &[&str]| {
        let mut command = naq();
        command.env("NAQ_NATS_URL", server.url()).env("NAQ_NATS_USER", "ann");
        finish(command.env("NAQ_NATS_PASSWORD", password).args(["--log-level", "trace"]).args(args))
    };
    for args in COMMANDS {
        let ran = with("hunter2", args);
        assert_eq!(ran.code, 5, "{args:?}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!said.contains("hunter2"), "{said}");
    }
    let ran = with("right-one", &["queue", "list"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!ran.stderr.contains("right-one"), "{ran:?}");
    let nobody = finish(naq().env("NAQ_NATS_URL", server.url()).args(["queue", "list"]));
    assert_eq!(nobody.code, 5, "{nobody:?}");
    assert!(nobody.stderr.starts_with("error: "), "the error is said once: {nobody:?}");
}

#[test]
fn a_token_can_come_from_a_file_a_variable_or_the_url() {
    let server =
        NatsServer::builder().config("authorization { token: s3cr3t }").start().expect("a broker");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "s3cr3t\n").expect("writes");
    let path = file.path().to_str().expect("UTF-8");
    let list = |change: &dyn Fn(&mut Command) -> &mut Command| {
        let mut command = naq();
        command.env("NAQ_NATS_URL", server.url());
        change(&mut command);
        finish(command.args(["queue", "list"]))
    };
    assert_eq!(list(&|c| c.env("NAQ_NATS_TOKEN", "s3cr3t")).code, 0);
    assert_eq!(list(&|c| c.args(["--nats-token-file", path])).code, 0);
    let url = format!("nats://s3cr3t@{}", server.address());
    assert_eq!(list(&|c| c.env("NAQ_NATS_URL", &url)).code, 0);
    let wrong = list(&|c| c.env("NAQ_NATS_TOKEN", "wr0ng"));
    assert!(wrong.code == 5 && !wrong.stderr.contains("wr0ng"), "{wrong:?}");
}

#[test]
fn the_most_detailed_log_shows_no_password() {
    let users = "authorization { users: [ { user: ann, password: hunter2 } ] }";
    let server = NatsServer::builder().config(users).start().expect("a broker");
    let in_url = format!("nats://ann:hunter2@{}", server.address());
    let by_variables = [("NAQ_NATS_USER", "ann"), ("NAQ_NATS_PASSWORD", "hunter2")];
    for (url, variables) in [(in_url, &[][..]), (server.url(), &by_variables[..])] {
        let mut command = naq();
        command.env("NAQ_NATS_URL", url).envs(variables.iter().copied());
        let ran = finish(command.args(["queue", "list", "--log-level", "trace"])).ok();
        assert!(
            ran.stderr.contains("TRACE") || ran.stderr.contains("DEBUG"),
            "it logs: {}",
            ran.stderr
        );
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_secret_that_all_users_can_read_is_named_in_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let users = "authorization { token: s3cr3t }";
    let server = NatsServer::builder().config(users).start().expect("a broker");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "s3cr3t").expect("writes");
    let path = file.path().to_str().expect("UTF-8");
    for (mode, is_named) in [(0o644, true), (0o640, false)] {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), permissions).expect("sets the mode");
        let run = |command: &[&str]| {
            let mut naq = naq();
            naq.env("NAQ_NATS_URL", server.url()).args(["--nats-token-file", path]).args(command);
            finish(&mut naq).ok()
        };
        let listed = run(&["queue", "list"]);
        assert_eq!(listed.stderr.contains(path), is_named, "{mode:o}: {listed:?}");
        let doctor = run(&["doctor", "-o", "json"]);
        assert_eq!(doctor.stdout.contains("security: files"), is_named, "{mode:o}: {doctor:?}");
    }
}

#[test]
fn doctor_lists_what_is_ok() {
    let server = NatsServer::start().expect("a broker");
    let mut command = naq();
    let ran = finish(command.env("NAQ_NATS_URL", server.url()).args(["doctor", "-o", "json"])).ok();
    let checks = ran.json();
    let verdict = |name: &str| {
        let found = checks.as_array().and_then(|all| all.iter().find(|c| c["check"] == name));
        found.map(|check| check["level"].clone())
    };
    for name in [
        "connection",
        "server",
        "clock",
        "max_payload",
        "stream NAQ_DEAD",
        "security: encryption",
        "security: credentials",
    ] {
        assert_eq!(verdict(name), Some("ok".into()), "{name}: {checks}");
    }
    assert_eq!(verdict("workers"), Some("warn".into()), "{checks}");
}
