//! The commands, each with the user of its role in deploy/nats/accounts.conf.

use std::process::Command;

use naq_testing::{ChildProcess, NatsServer};

use crate::run::{PATIENCE, Ran, clean, finish, naq, own_binary};

const LAYOUT: &str = include_str!("../../../../deploy/nats/accounts.conf");

fn server() -> NatsServer {
    let mut config = LAYOUT.to_owned();
    while let Some(start) = config.find("password: $") {
        let end = config[start..].find("_PASSWORD").expect("a variable") + "_PASSWORD".len();
        config.replace_range(start..start + end, "password: x");
    }
    NatsServer::builder().config(&config).start().expect("a server with the shipped accounts")
}

/// The command as this user.
fn with_user<'a>(command: &'a mut Command, server: &NatsServer, user: &str) -> &'a mut Command {
    command
        .env("NAQ_NATS_URL", server.url())
        .env("NAQ_NATS_USER", user)
        .env("NAQ_NATS_PASSWORD", "x")
        .env("NAQ_NATS_INBOX_PREFIX", format!("_INBOX_{user}"))
}

fn run(server: &NatsServer, user: &str, args: &[&str]) -> Ran {
    finish(with_user(&mut naq(), server, user).args(args))
}

#[tokio::test]
async fn every_command_works_with_the_user_of_its_role() {
    let server = server();
    let run = |user: &str, args: &[&str]| run(&server, user, args);
    run("admin", &["queue", "create", "mail", "billing"]).ok();
    let start = |user: &str, mut command: Command, args: &[&str]| {
        with_user(&mut command, &server, user).arg("worker").args(args);
        ChildProcess::spawn(command).unwrap_or_else(|err| panic!("{err:#}"))
    };
    let mut chores = start("chores", naq(), &["--only-chores"]);
    chores.wait_for_output("working on chores only", PATIENCE).await.expect("starts");
    let own = || clean(Command::new(own_binary()));
    let mut worker = start("worker-mail", own(), &["mail"]);
    worker.wait_for_output("working on mail", PATIENCE).await.expect("starts");

    let enqueue = |args: &[&str]| {
        let args = [&["enqueue"], args, &["-q", "mail"]].concat();
        run("producer-mail", &args).ok().line().to_owned()
    };
    let plain = enqueue(&["wait", "--args", "1"]);
    run("producer-mail", &["job", "watch", &plain, "-q", "mail", "--timeout", "1m"]).ok();
    let delayed = enqueue(&["wait", "--args", "1", "--delay", "1s"]);
    run("producer-mail", &["job", "watch", &delayed, "-q", "mail", "--timeout", "1m"]).ok();
    let unique = enqueue(&["wait", "--args", "1", "--unique", "order-7", "--delay", "1h"]);
    assert_eq!(enqueue(&["wait", "--args", "1", "--unique", "order-7"]), unique);
    let refused = run("producer-mail", &["enqueue", "wait", "-q", "billing"]);
    assert!(refused.code != 0 && refused.stderr.contains("naq.q.billing."), "{refused:?}");
    let refused = run("producer-mail", &["queue", "purge", "mail", "--yes"]);
    assert_ne!(refused.code, 0, "{refused:?}");

    for role in ["operator", "dashboard", "viewer"] {
        let listed = run(role, &["queue", "list", "-o", "json"]).ok().json();
        assert!(listed.to_string().contains("mail"), "{role}: {listed}");
        run(role, &["workers"]).ok();
        run(role, &["dlq", "list"]).ok();
        run(role, &["job", "show", &plain]).ok();
        let doctor = run(role, &["doctor"]);
        assert!(!doctor.stdout.contains("FAIL"), "{role}: {doctor:?}");
    }
    for role in ["operator", "dashboard"] {
        run(role, &["queue", "pause", "mail", "--task", "flaky", "--for", "1h"]).ok();
        run(role, &["queue", "resume", "mail", "--task", "flaky"]).ok();
        run(role, &["queue", "pause", "mail", "--for", "1m"]).ok();
        run(role, &["queue", "resume", "mail"]).ok();
        run(role, &["audit"]).ok();
    }
    run("operator", &["job", "cancel", &unique]).ok();
    let refused = run("viewer", &["queue", "pause", "mail", "--for", "1m"]);
    assert_ne!(refused.code, 0, "{refused:?}");
    for child in [&mut worker, &mut chores] {
        child.terminate().expect("a signal");
        assert_eq!(child.wait(PATIENCE).await.expect("ends").code(), Some(0));
    }
}
