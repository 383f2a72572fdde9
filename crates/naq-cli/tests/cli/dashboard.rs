//! `naq dashboard`: what it refuses, how it waits for a broker, and how it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::Duration;

use naq_testing::{ChildProcess, eventually};

use crate::run::{PATIENCE, naq, offline};

/// The whole answer, from the status line on.
fn get(address: &str, path: &str, headers: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let port = address.rsplit(':').next().unwrap_or_default();
    let host = if headers.contains("Host:") {
        String::new()
    } else {
        format!("Host: localhost:{port}\r\n")
    };
    write!(stream, "GET {path} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A dashboard, and the address that it printed.
async fn dashboard(args: &[&str], env: &[(&str, &str)]) -> (ChildProcess, String) {
    let mut command = naq();
    command.env("NAQ_NATS_URL", "nats://127.0.0.1:1").envs(env.iter().copied());
    command.args(["dashboard", "--port", "0"]).args(args);
    let mut child = ChildProcess::spawn(command).expect("starts");
    child.wait_for_output("dashboard at http://", PATIENCE).await.expect("says where it is");
    let said = child.stdout();
    let (_, rest) = said.split_once("http://").expect("an address");
    let address = rest.split('/').next().unwrap_or_default().to_owned();
    (child, address)
}

#[tokio::test]
async fn without_a_broker_it_waits_and_says_so_and_a_signal_ends_it() {
    for terminate in [false, true] {
        let (mut child, address) = dashboard(&[], &[]).await;
        let answer = get(&address, "/", "").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.contains("Waiting for the broker"), "{answer}");
        assert!(answer.to_lowercase().contains("refresh: 2"), "{answer}");
        assert!(get(&address, "/healthz", "").expect("an answer").starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/readyz", "").expect("an answer").starts_with("HTTP/1.1 503"));
        if terminate { child.terminate() } else { child.interrupt() }.expect("a signal");
        assert_eq!(child.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", child.stderr());
    }
}

#[tokio::test]
async fn with_a_broker_it_serves_pages_metrics_and_health_to_allowed_hosts() {
    let server = naq_testing::NatsServer::start().expect("a server");
    let url = server.url();
    let env = [("NAQ_NATS_URL", url.as_str()), ("NAQ_DASHBOARD_AUTH", "ann:sesame")];
    let (child, address) = dashboard(&["--path", "/naq"], &env).await;
    assert!(child.stdout().trim_end().ends_with("/naq"), "{}", child.stdout());
    let login = "Authorization: Basic YW5uOnNlc2FtZQ==\r\n";
    eventually("the pages", PATIENCE, async || {
        let answer = get(&address, "/naq/queues", login).map_err(|err| err.to_string())?;
        let ready = get(&address, "/readyz", "").map_err(|err| err.to_string())?;
        let there = answer.contains("There are no queues yet") && ready.starts_with("HTTP/1.1 200");
        if there { Ok(()) } else { Err(answer + &ready) }
    })
    .await;
    let answer = |path: &str, headers: &str| get(&address, path, headers).expect("an answer");
    assert!(answer("/naq/queues", "").starts_with("HTTP/1.1 401"));
    assert!(answer("/naq", login).starts_with("HTTP/1.1 200"), "the printed address");
    for (from, status) in [("/", "HTTP/1.1 307"), ("/naq/", "HTTP/1.1 308")] {
        let redirect = answer(from, login);
        assert!(redirect.starts_with(status), "{from}: {redirect}");
        assert!(redirect.contains("location: /naq\r\n"), "{from}: {redirect}");
    }
    assert!(answer("/metrics", "").starts_with("HTTP/1.1 401"));
    assert!(answer("/metrics", login).contains("naq_broker_connected 1"));
    assert!(answer("/healthz", "").starts_with("HTTP/1.1 200"));
    for path in ["/naq/", "/metrics", "/healthz"] {
        let rebound = answer(path, "Host: evil.example\r\n");
        assert!(rebound.starts_with("HTTP/1.1 421"), "{path}: {rebound}");
    }
}

#[test]
fn an_address_that_other_machines_reach_needs_logins() {
    let ran = offline(&["dashboard", "--host", "0.0.0.0", "--port", "0"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("--auth-file") && ran.stderr.contains("--unsafe-bind"), "{ran:?}");
}

#[test]
fn a_file_of_logins_that_other_users_can_read_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("logins");
    let run = |text: &str, mode: u32| {
        std::fs::write(&file, text).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        let path = file.to_str().expect("a path");
        offline(&["dashboard", "--port", "0", "--auth-file", path, "--public-host", "no/name"])
    };
    let open = run("ann:sesame\n", 0o644);
    assert_eq!(open.code, 2, "{open:?}");
    assert!(open.stderr.contains("chmod 600") && !open.stderr.contains("sesame"), "{open:?}");
    let garbled = run("# who\n\nsesame\n", 0o600);
    assert!(garbled.stderr.contains("line 3") && !garbled.stderr.contains("sesame"), "{garbled:?}");
    assert!(run("\n", 0o600).stderr.contains("no login"));
    // Now the file is accepted, but its content is wrong.
    let fine = run("ann:sesame\n", 0o600);
    assert!(fine.stderr.contains("host name") && fine.code == 2, "{fine:?}");
}

/// What a terminal shows: a shell that runs `command` and then says its exit code and whether the terminal shows
/// what is typed. `keys` are typed at the prompt.
fn at_a_terminal(command: &str, keys: &[u8]) -> String {
    // A shell that the keys do not end.
    let script = format!("trap : INT; {command}; echo code=$?; stty -a");
    let mut terminal = std::process::Command::new("script")
        .args(["-qec", &script, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux, makes a terminal");
    let mut typed = terminal.stdin.take().expect("stdin");
    let mut shown = terminal.stdout.take().expect("stdout");
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"is not shown):") {
        assert_eq!(shown.read(&mut byte).expect("reads"), 1, "{}", text.escape_ascii());
        text.push(byte[0]);
    }
    typed.write_all(keys).expect("typed");
    shown.read_to_end(&mut text).expect("reads");
    terminal.wait().expect("ends");
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_prompt_for_a_password_leaves_the_terminal_as_it_was_also_after_ctrl_c() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("logins");
    let naq = env!("CARGO_BIN_EXE_naq");
    let command = format!("{naq} dashboard user add ann --auth-file {}", file.display());
    for (keys, code) in [(&b"sesa\x03"[..], 130), (b"sesame\n", 0)] {
        let shown = at_a_terminal(&command, keys);
        assert!(shown.contains(&format!("code={code}")), "{shown}");
        for setting in ["echo", "isig"] {
            assert!(shown.split_whitespace().any(|word| word == setting), "{setting}: {shown}");
        }
        assert!(!shown.contains("sesa"), "{shown}");
        assert_eq!(file.exists(), code == 0, "{shown}");
    }
}

#[test]
fn users_are_added_listed_hashed_and_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("logins");
    let path = file.to_str().expect("a path");
    let user = |args: &[&str], password: &str| {
        let mut command = naq();
        command.args(["dashboard", "user"]).args(args).args(["--auth-file", path]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        writeln!(child.stdin.take().expect("stdin"), "{password}").expect("written");
        let ran = child.wait_with_output().expect("ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        (ran.status.code().unwrap_or(-1), text(ran.stdout), text(ran.stderr))
    };
    let added = user(&["add", "ann", "--role", "operate", "--queue", "mail"], "sesame");
    assert_eq!(added.0, 0, "{added:?}");
    let mode = file.metadata().expect("the file").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = || std::fs::read_to_string(&file).expect("read");
    assert!(
        text().starts_with("ann:$argon2id$") && text().ends_with(":operate:mail\n"),
        "{}",
        text()
    );
    let again = user(&["add", "ann"], "other");
    assert!(again.0 == 2 && again.2.contains("naq dashboard user remove ann"), "{again:?}");
    assert_eq!(user(&["add", "empty"], "").0, 2, "a password is not empty");
    assert_eq!(user(&["add", "eve", "--proxy-only"], "").0, 0);
    std::fs::write(&file, format!("# who\n{}bob:plain\n", text())).expect("written");
    let listed = user(&["list", "-o", "json"], "").1;
    let rows: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let passwords = ["ann", "eve", "bob"].map(|name| {
        let rows = rows.as_array().expect("a list").iter();
        rows.filter(|row| row["name"] == name).map(|row| row["password"].clone()).next()
    });
    assert_eq!(passwords, ["hashed", "none", "plain"].map(|word| Some(word.into())), "{listed}");
    // A file with a password in plain text is read, and the warning says what hashes it.
    let shown =
        offline(&["dashboard", "--port", "0", "--auth-file", path, "--public-host", "no/name"]);
    assert!(shown.stderr.contains("naq dashboard user hash"), "{shown:?}");
    assert!(!shown.stderr.contains("bob:plain"), "{shown:?}");
    assert_eq!(user(&["hash"], "").0, 0);
    assert!(text().starts_with("# who\n") && !text().contains("bob:plain"), "{}", text());
    assert_eq!(user(&["remove", "ann"], "").0, 0);
    assert!(!text().contains("ann:"), "{}", text());
    assert_eq!(user(&["remove", "ann"], "").0, 3);
}
