//! Signed jobs, from `naq key new` to the job that a real worker takes or refuses.

use naq_testing::eventually;
use serde_json::json;

use crate::run::{Broker, PATIENCE, finish, naq, offline};

/// A directory for key files, removed at the end of the test.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

#[test]
fn a_new_key_is_written_for_its_owner_alone_and_only_its_public_part_is_printed() {
    let dir = directory();
    let path = dir.path().join("web.key");
    let file = path.to_str().expect("UTF-8");
    let made = offline(&["key", "new", "--out", file]).ok();
    let seed = std::fs::read_to_string(&path).expect("written");
    assert!(made.line().starts_with('U') && !made.stdout.contains(seed.trim()), "{made:?}");
    assert_eq!(offline(&["key", "public", file]).ok().line(), made.line());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).expect("is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let again = offline(&["key", "new", "--out", file]);
    assert!(again.code != 0 && again.stderr.contains("new file"), "{again:?}");
    let both = offline(&["key", "new", "-o", "json"]).ok().json();
    assert!(both["seed"].as_str().is_some_and(|seed| seed.starts_with("SU")), "{both}");
    // A public key where the secret belongs is refused, and is not shown.
    std::fs::write(&path, both["public"].as_str().expect("text")).expect("written");
    let wrong = offline(&["enqueue", "greet", "--sign-key", file]);
    assert!(wrong.code == 2 && wrong.stderr.contains("not the seed of an nkey"), "{wrong:?}");
}

#[test]
fn a_worker_that_would_refuse_every_job_does_not_start() {
    for (args, why) in [
        (&["billing", "--require-signed", "billing"][..], "without --trusted-keys"),
        (&["billing", "--require-signed", "other"], "takes no jobs from other"),
    ] {
        let ran = offline(&[&["worker", "--exec", "t=true"], args].concat());
        assert!(ran.code == 2 && ran.stderr.contains(why), "{ran:?}");
    }
}

#[tokio::test]
async fn a_real_queue_that_requires_signatures_runs_only_the_jobs_of_trusted_keys() {
    let broker = Broker::start();
    let dir = directory();
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let [web, old, stranger] = ["web", "old", "stranger"].map(path);
    let [web_public, old_public, _] = [&web, &old, &stranger]
        .map(|file| offline(&["key", "new", "--out", file]).ok().line().to_owned());
    let trusted = path("trusted");
    std::fs::write(&trusted, format!("web {web_public}\nold {old_public}\n")).expect("written");
    let mut strict =
        broker.worker(&["default", "--trusted-keys", &trusted, "--require-signed", "default"]);
    strict.wait_for_output("working on default", PATIENCE).await.expect("starts");

    let enqueue = |more: &[&str]| {
        broker.enqueue(&[&["flaky", "--args", "1", "--retry-delay", "100ms"], more].concat())
    };
    let (by_web, by_old) = (enqueue(&["--sign-key", &web]), enqueue(&["--sign-key", &old]));
    let (by_stranger, unsigned) = (enqueue(&["--sign-key", &stranger]), enqueue(&[]));
    for (id, name) in [(&by_web, "web"), (&by_old, "old")] {
        assert_eq!(broker.watch(id).code, 0, "{name}");
        let job = broker.json(&["job", "show", id, "--trusted-keys", &trusted]);
        assert_eq!((&job["state"], &job["attempt"]), (&json!("completed"), &json!(2)), "{job}");
        assert_eq!((&job["signer"]["name"], &job["signer"]["valid"]), (&json!(name), &json!(true)));
        let words = broker.naq(&["job", "show", id, "--trusted-keys", &trusted]).ok().stdout;
        assert!(words.contains("signed by") && words.contains(name), "{words}");
    }
    for (id, why) in [(&by_stranger, "is not accepted here"), (&unsigned, "is not signed")] {
        assert_ne!(broker.watch(id).code, 0);
        let job = broker.json(&["job", "show", id]);
        assert_eq!(job["dead"]["error_kind"], json!("SignatureError"), "{job}");
        assert!(job["dead"]["message"].as_str().is_some_and(|it| it.contains(why)), "{job}");
        assert_eq!(job["attempts"], json!([]), "{job}");
    }

    // Another worker takes any job from the queue: the doctor says so.
    let _lax = broker.worker(&[]);
    let mixed = || {
        let found = finish(naq().env("NAQ_NATS_URL", broker.server.url()).arg("doctor")).stdout;
        found.contains("1 of 2 workers requires signatures").then_some(())
    };
    eventually("the doctor names the queue", PATIENCE, async || mixed()).await;
}

#[tokio::test]
async fn encrypted_arguments_and_results_are_shown_only_with_the_key() {
    const SECRET: &str = "card-4711";
    let broker = Broker::start();
    let dir = directory();
    let file = dir.path().join("ring").to_str().expect("UTF-8").to_owned();
    offline(&["key", "new-encryption", "k1", "--out", &file]).ok();
    let wrong = offline(&["key", "new-encryption", "k.1"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("for its id"), "{wrong:?}");
    let mut worker = broker.worker(&["--encryption-keys", &file]);
    worker.wait_for_output("working on default", PATIENCE).await.expect("starts");
    let args = format!("{SECRET:?}");
    let id = broker.enqueue(&["greet", "--args", &args, "--encryption-keys", &file]);
    assert_eq!(broker.watch(&id).code, 0);

    let with_key = broker.json(&["job", "show", &id, "--encryption-keys", &file]);
    assert_eq!((&with_key["args"], &with_key["result"]["to"]), (&json!(SECRET), &json!(SECRET)));
    assert_eq!(with_key["encrypted_with"], json!("k1"));
    let without = broker.naq(&["job", "show", &id]).ok().stdout;
    assert!(without.contains("with key k1, which this command does not have"), "{without}");
    let bare = broker.json(&["job", "show", &id]);
    assert_eq!((&bare["args"], &bare["result"]), (&json!(null), &json!(null)), "{bare}");
    assert!(!bare.to_string().contains(SECRET) && !worker.stderr().contains(SECRET));
    let waited = broker.naq(&["job", "wait", &id, "--encryption-keys", &file]).ok();
    assert!(waited.stdout.contains(SECRET), "{waited:?}");
    // The ring may be in a variable; both are too many.
    let ring = std::fs::read_to_string(&file).expect("written").trim().replace(' ', "=");
    let mut show = naq();
    show.env("NAQ_NATS_URL", broker.server.url()).env("NAQ_ENCRYPTION_KEYS", &ring);
    let shown = finish(show.args(["job", "show", &id])).ok();
    assert!(shown.stdout.contains(SECRET), "{shown:?}");
    let both = finish(show.args(["--encryption-keys", &file]));
    assert!(both.code == 2 && !both.stderr.contains(&ring), "{both:?}");
}

#[tokio::test]
async fn large_values_are_compressed_and_error_messages_encrypted_by_choice() {
    let broker = Broker::start();
    let dir = directory();
    let file = dir.path().join("ring").to_str().expect("UTF-8").to_owned();
    offline(&["key", "new-encryption", "k1", "--out", &file]).ok();
    let keys = ["--encryption-keys", &file];
    let wrong = offline(&["enqueue", "greet", "--compress", "zip"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("none, lz4"), "{wrong:?}");
    let options = ["--encrypt-errors", "--compress", "lz4"];
    let mut worker = broker.worker(&[&keys[..], &options].concat());
    worker.wait_for_output("working on default", PATIENCE).await.expect("starts");

    let text = "ann@example.com ".repeat(4_000);
    let args = json!(text).to_string();
    let id = broker.enqueue(&["greet", "--args", &args, "--compress", "lz4"]);
    assert_eq!(broker.watch(&id).code, 0);
    let job = broker.json(&["job", "show", &id]);
    assert_eq!((&job["args"], &job["result"]["to"]), (&json!(text), &json!(text)));
    // A queue at its bound of 20 kB refuses jobs: three compressed ones do not fill it, a plain one does.
    broker.naq(&["queue", "create", "small"]).ok();
    broker.naq(&["queue", "limit", "small", "--max-bytes", "20KB"]).ok();
    let plain = ["enqueue", "greet", "--args", &args, "--queue", "small"];
    for _ in 0..3 {
        broker.naq(&[&plain[..], &["--compress", "lz4"]].concat()).ok();
    }
    broker.naq(&plain).ok();
    assert_ne!(broker.naq(&plain).code, 0);

    let id = broker.enqueue(&[&["refuse", "--args", "\"card-4711\""][..], &keys].concat());
    assert_ne!(broker.watch(&id).code, 0);
    let shown = broker.json(&[&["job", "show", &id][..], &keys].concat());
    let message = "card-4711";
    assert_eq!(shown["dead"]["message"], json!(message), "{shown}");
    assert_eq!(shown["attempts"][0]["message"], json!(message));
    let list = broker.json(&[&["dlq", "list"][..], &keys].concat());
    assert_eq!(list[0]["message"], json!(message), "{list}");
    let bare = broker.json(&["job", "show", &id]);
    assert_eq!(bare["dead"]["message"], json!("encrypted with key k1"));
    assert_eq!(bare["dead"]["error_kind"], shown["dead"]["error_kind"], "the kind is plain");
    let list = broker.json(&["dlq", "list"]);
    assert_eq!(list[0]["message"], json!("encrypted with key k1"), "{list}");
    assert!(!bare.to_string().contains(message) && !worker.stderr().contains(message));
}
