//! `handler-command.json`: each command, as a script that a shell runs.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use naq_testing::{differences, vectors};
use serde_json::{Value, json};

use crate::kit::worker;
use crate::vector::{naq_toml, report, run_attempt, wrong_end};

#[tokio::test]
async fn each_command_vector_is_what_the_worker_does() {
    let file = vectors("handler-command");
    let all = file["vectors"].as_array().expect("vectors");
    let mut wrong = Vec::new();
    for vector in all {
        let found = check(vector).await;
        if !found.is_empty() {
            wrong.push((vector["name"].to_string(), found));
        }
    }
    report(all.len(), wrong);
}

async fn check(vector: &Value) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let how = vector["kind"].as_str().expect("exec or exec_pool");
    let command = dir.path().join("command");
    write_command(&command, vector);
    let is_missing = vector["ends"] == "cannot be started";
    let place = match is_missing {
        true => json!([command]),
        // A program that was written just now may still be open for writing in another process.
        false => json!(["sh", command]),
    };
    let harness = worker(&naq_toml(vector, how, &place));
    if is_missing {
        std::fs::remove_file(&command).expect("removed");
    }
    run_attempt(&harness, vector).await;
    let mut found = Vec::new();
    let mut compare = |what: &str, actual: Option<Value>| {
        let list = |value: Option<Value>| Value::Array(value.into_iter().collect());
        let differences = differences(&list(vector.get(what).cloned()), &list(actual));
        found.extend(differences.into_iter().map(|found| format!("{what}{found}")));
    };
    compare("stdin", read_line(&dir.path().join("stdin")));
    compare("env", read_env(&dir.path().join("env"), vector));
    found.extend(wrong_end(&harness, vector).await);
    found
}

/// Writes a script that stores what it gets, and answers as the vector says.
fn write_command(command: &Path, vector: &Value) {
    let dir = command.parent().expect("a directory");
    for name in ["stdout", "stderr"] {
        let text = vector.get(name).map_or("", |text| text.as_str().expect("a text"));
        std::fs::write(dir.join(name), text).expect("written");
    }
    let end = match (&vector["ends"], vector["kind"].as_str()) {
        (Value::Object(end), _) => match (&end.get("exit"), &end.get("signal")) {
            (Some(code), _) => format!("exit {code}"),
            (_, Some(signal)) => format!("kill -{signal} $$"),
            _ => panic!("no exit and no signal"),
        },
        // It waits for the next request.
        _ => "read -r line".to_owned(),
    };
    let script = format!(
        "#!/bin/sh\ncd {dir:?}\nIFS= read -r line\nprintf '%s\\n' \"$line\" > stdin\nenv > env\n\
         cat stdout\ncat stderr >&2\n{end}\n"
    );
    std::fs::write(command, script).expect("written");
    std::fs::set_permissions(command, std::fs::Permissions::from_mode(0o755)).expect("allowed");
}

/// The request. None if the command was not started.
fn read_line(file: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(file).ok()?;
    assert_eq!(text.matches('\n').count(), 1, "the request is one line");
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// The variables of the job, and those of the file.
fn read_env(file: &Path, vector: &Value) -> Option<Value> {
    let text = std::fs::read_to_string(file).ok()?;
    let is_of_vector = |name: &str| {
        name.starts_with("NAQ_")
            || name == "TRACEPARENT"
            || vector["handler"]["env"].get(name).is_some()
    };
    let variables = text.lines().filter_map(|line| line.split_once('='));
    let variables: BTreeMap<_, _> = variables.filter(|(name, _)| is_of_vector(name)).collect();
    Some(json!(variables))
}
