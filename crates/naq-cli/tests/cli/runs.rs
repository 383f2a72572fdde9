//! Which worker runs a job, since when, with what progress.

use naq_testing::eventually;

use crate::run::{Broker, PATIENCE};

#[tokio::test]
async fn a_running_job_names_its_worker_and_the_worker_names_its_jobs() {
    let broker = Broker::start();
    let _worker = broker.worker(&["--concurrency", "1"]);
    let id = broker.enqueue(&["wait", "--args", "600000"]);
    let waiting = broker.enqueue(&["greet"]);
    let job = eventually("its worker is known", PATIENCE, async || {
        let job = broker.json(&["job", "show", &id]);
        job["run"]["started_at"].is_string().then_some(job)
    })
    .await;
    let worker = job["run"]["worker"].as_str().expect("a worker").to_owned();
    assert_eq!(job["run"]["attempt"], 1, "{job}");
    let words = broker.naq(&["job", "show", &id]).ok().stdout;
    assert!(words.contains(&format!("{worker} for ")), "{words}");

    let shown = broker.json(&["workers", "show", &worker]);
    assert_eq!(shown["worker"]["worker_id"], *worker, "{shown}");
    assert_eq!(shown["runs"][0]["job"], format!("default/{id}"), "{shown}");
    assert_eq!(shown["runs"][0]["task"], "wait", "{shown}");
    let words = broker.naq(&["workers", "show", &worker]).ok().stdout;
    assert!(words.contains("runs 1 job") && words.contains(&id), "{words}");

    let listed = broker.json(&["job", "list", "--state", "running"]);
    assert_eq!(listed["jobs"][0]["run"]["worker"], *worker, "{listed}");
    let words = broker.naq(&["job", "list", "--state", "running"]).ok().stdout;
    assert!(words.contains(&worker) && words.contains("for "), "{words}");
    assert_eq!(broker.json(&["workers"])[0]["longest_run"]["job"], format!("default/{id}"));

    let queue = broker.json(&["queue", "info", "default"]);
    let running =
        queue["running"].as_u64().expect("a number") - queue["taken"].as_u64().expect("one");
    assert_eq!(running, 1, "{queue}");
    let job = broker.json(&["job", "show", &waiting]);
    assert!(job["run"].is_null(), "it has no slot: {job}");

    let gone = broker.naq(&["workers", "show", "no-such-worker"]);
    assert_eq!(gone.code, 3, "{gone:?}");
    assert!(gone.stderr.contains("naq workers"), "{gone:?}");
}
