//! Limits of keys and of queues, and the weights of a worker's queues.

use std::time::Duration;

use naq_core::{Clock, SystemClock, Timestamp};
use naq_testing::eventually;
use serde_json::json;

use crate::run::{Broker, PATIENCE, offline};

#[tokio::test]
async fn a_limit_shows_running_and_waiting_jobs_and_a_waiting_job_says_why() {
    let broker = Broker::start();
    let _worker = broker.worker(&["default"]);
    let limited = |job: &[&str]| {
        broker.enqueue(&[job, ["--concurrency-key", "tenant:7=1"].as_slice()].concat())
    };
    let running = limited(&["wait", "--args", "60000"]);
    eventually("it runs", PATIENCE, async || broker.naq(&["limit", "show", "tenant:7"]).code == 0)
        .await;
    let waiting = limited(&["greet"]);
    let shown = eventually("one waits", PATIENCE, async || {
        let shown = broker.json(&["limit", "show", "tenant:7"]);
        (shown["waiting"].as_array()?.len() == 1).then_some(shown)
    })
    .await;
    assert_eq!(shown["concurrency"], 1);
    assert_eq!(shown["running"][0]["job"], format!("default/{running}"));
    assert_eq!(shown["waiting"][0]["job"], format!("default/{waiting}"));
    let words = broker.naq(&["limit", "show", "tenant:7"]).ok().stdout;
    assert!(words.contains("1 of 1") && words.contains(&waiting), "{words}");
    let list = broker.json(&["limit", "list"]);
    assert_eq!((&list[0]["running"], &list[0]["waiting"]), (&json!(1), &json!(1)), "{list}");
    let job = broker.naq(&["job", "show", &waiting]).ok().stdout;
    assert!(job.contains("held back") && job.contains("limit \"tenant:7\": one job runs"), "{job}");
    broker.naq(&["job", "cancel", &running]).ok();
    assert_eq!(broker.watch(&waiting).code, 0);
}

#[tokio::test]
async fn a_rate_shows_when_the_next_may_start() {
    let broker = Broker::start();
    let _worker = broker.worker(&["default"]);
    for _ in 0..2 {
        broker.enqueue(&["greet", "--rate-limit", "api=2/1h"]);
    }
    let shown = eventually("both have asked", PATIENCE, async || {
        let shown = broker.naq(&["limit", "show", "api", "-o", "json"]);
        (shown.code == 0).then(|| shown.json()).filter(|shown| shown["next_start"].is_string())
    })
    .await;
    assert_eq!(shown["rate"], json!({ "count": 2, "per_ms": 3_600_000 }), "{shown}");
    assert!(broker.naq(&["limit", "list"]).ok().stdout.contains("2/1h"));
}

#[test]
fn a_key_that_no_job_uses_is_not_found() {
    let broker = Broker::start();
    let ran = broker.naq(&["limit", "show", "nobody"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("naq limit list"), "{ran:?}");
    assert_eq!(broker.json(&["limit", "list"]), json!([]));
}

#[test]
fn the_limit_of_a_queue_is_set_shown_and_lifted() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    let set = broker.json(&["queue", "limit", "default", "3"]);
    assert_eq!(set["concurrency_limit"], 3, "{set}");
    assert_eq!(broker.json(&["queue", "show", "default"])["concurrency_limit"], 3);
    let list = broker.naq(&["queue", "list"]).ok().stdout;
    assert!(list.contains("LIMIT"), "{list}");
    let lifted = broker.naq(&["queue", "limit", "default", "none"]).ok().stdout;
    assert_eq!(lifted.trim_end(), "queue default: no limit");
    assert_eq!(broker.naq(&["queue", "limit", "nowhere", "3"]).code, 3);
}

#[test]
fn an_invalid_limit_or_weight_is_refused_before_the_connection() {
    for (args, part) in [
        (&["enqueue", "t", "--concurrency-key", "a"][..], "KEY=N"),
        (&["enqueue", "t", "--concurrency-key", "a=0"], "1 to 1000"),
        (&["enqueue", "t", "--rate-limit", "a=5"], "COUNT/PERIOD"),
        (&["queue", "limit", "q", "0"], "naq queue pause"),
        (&["worker", "a=0"], "1 to 1000"),
        (&["worker", "a=2", "b", "--strict"], "leave out the weights"),
    ] {
        let ran = offline(args);
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(part), "{args:?}: {ran:?}");
    }
}

impl Broker {
    /// Enqueues `jobs` jobs that take `millis` each, with these options.
    fn fill(&self, jobs: usize, millis: u64, options: &[&str]) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let line = format!("{{\"task\":\"wait\",\"args\":{millis}}}\n");
        std::fs::write(file.path(), line.repeat(jobs)).expect("written");
        let path = file.path().to_str().expect("a path");
        let sent = self.naq(&[&["enqueue", "--file", path, "-o", "jsonl"], options].concat()).ok();
        let id = |line: &str| {
            let sent: serde_json::Value = serde_json::from_str(line).expect("json");
            sent["id"].as_str().expect("an id").to_owned()
        };
        sent.stdout.lines().map(id).collect()
    }

    /// Fills two queues of a worker while long jobs occupy all its slots, then cancels those, so that both queues
    /// have jobs whenever a slot is free. Of each queue: its name, how many slots it occupies, and its jobs.
    /// Returns when the jobs of each queue ran, of those that started when all slots were free.
    async fn fill_both(
        &self,
        queues: [(&str, usize, usize); 2],
    ) -> [Vec<(Timestamp, Timestamp)>; 2] {
        for (queue, ..) in queues {
            self.runs(&self.fill(1, 1, &["--queue", queue]));
        }
        let mut long = Vec::new();
        for (queue, slots, _) in queues.into_iter().filter(|(_, slots, _)| *slots > 0) {
            long.extend(self.fill(slots, 600_000, &["--queue", queue]));
            eventually("they occupy their slots", PATIENCE, async || {
                let list = ["job", "list", "--queue", queue, "--state", "running"];
                self.json(&list)["jobs"].as_array().is_some_and(|jobs| jobs.len() == slots)
            })
            .await;
        }
        let filled = queues.map(|(queue, _, jobs)| self.fill(jobs, 60, &["--queue", queue]));
        std::thread::scope(|scope| {
            for id in &long {
                scope.spawn(|| self.naq(&["job", "cancel", id]).ok());
            }
        });
        let freed = SystemClock.now();
        filled.map(|jobs| {
            let mut runs = self.runs(&jobs);
            runs.retain(|(start, _)| *start > freed);
            runs
        })
    }

    /// Waits until these jobs have completed, and returns when each attempt ran.
    fn runs(&self, ids: &[String]) -> Vec<(Timestamp, Timestamp)> {
        let run = |id: &String| {
            assert_eq!(self.watch(id).code, 0, "{id}");
            let shown = self.json(&["job", "show", id]);
            let attempts = shown["attempts"].as_array().expect("a list");
            let last = attempts.last().expect("an attempt");
            let time = |name: &str| last[name].as_str().expect("a time").parse().expect("a time");
            assert_eq!((&last["attempt"], &shown["crashes"]), (&json!(1), &json!(0)), "{shown}");
            (time("started_at"), time("ended_at"))
        };
        ids.iter().map(run).collect()
    }
}

/// The largest number of attempts that ran at once.
fn most(runs: &[(Timestamp, Timestamp)]) -> usize {
    let at = |now| runs.iter().filter(|(start, end)| *start <= now && now < *end).count();
    runs.iter().map(|(start, _)| at(*start)).max().unwrap_or(0)
}

#[test]
fn two_worker_processes_together_reach_the_limit_of_a_key_and_never_exceed_it() {
    let broker = Broker::start();
    let ids = broker.fill(24, 150, &["--concurrency-key", "k=3"]);
    let _workers = [broker.worker(&["-c", "5"]), broker.worker(&["-c", "5"])];
    assert_eq!(most(&broker.runs(&ids)), 3);
}

#[test]
fn two_worker_processes_together_keep_a_rate_within_the_brokers_tick() {
    let broker = Broker::start();
    let ids = broker.fill(30, 1, &["--rate-limit", "api=10/1s"]);
    let _workers = [broker.worker(&["-c", "5"]), broker.worker(&["-c", "5"])];
    let mut starts: Vec<_> = broker.runs(&ids).into_iter().map(|(start, _)| start).collect();
    starts.sort_unstable();
    for (i, start) in starts.iter().enumerate() {
        let end = *start + Duration::from_secs(1);
        let within = starts[i..].iter().take_while(|at| **at < end).count();
        // Ten, plus those that the broker's tick of 250 ms or a busy machine delivered late.
        assert!(within <= 16, "{within} in a second: {starts:?}");
    }
    let took = starts[29].since(starts[0]);
    assert!(took >= Duration::from_millis(2600), "29 steps in {took:?}");
}

#[test]
fn two_worker_processes_together_keep_the_limit_of_a_queue() {
    let broker = Broker::start();
    let ids = broker.fill(40, 100, &[]);
    broker.naq(&["queue", "limit", "default", "4"]).ok();
    let _workers = [broker.worker(&["-c", "10"]), broker.worker(&["-c", "10"])];
    assert_eq!(most(&broker.runs(&ids)), 4);
}

#[tokio::test]
async fn the_limit_slot_of_a_killed_worker_is_free_when_its_lease_ends() {
    let broker = Broker::start();
    let mut doomed = broker.worker(&["--lease", "1s", "--name", "doomed"]);
    let limit = ["--concurrency-key", "k=1"];
    let held = broker.fill(1, 60_000, &limit).remove(0);
    eventually("it runs", PATIENCE, async || broker.naq(&["limit", "show", "k"]).code == 0).await;
    doomed.kill().expect("killed");
    // The job is cancelled, so that it cannot take its own slot again.
    broker.naq(&["job", "cancel", &held]).ok();
    let shown = broker.json(&["limit", "show", "k"]);
    assert_eq!(shown["running"].as_array().map(Vec::len), Some(1), "{shown}");
    let _heir = broker.worker(&["--lease", "1s"]);
    let next = broker.fill(1, 1, &limit);
    let before = shown["running"][0]["at"].as_str().expect("a time").parse().expect("a time");
    let (start, _) = broker.runs(&next)[0];
    // Three leases, the time until the next check, and a margin for a busy machine.
    assert!(start.since(before) < Duration::from_secs(12), "{:?}", start.since(before));
}

#[tokio::test]
async fn with_strict_priority_a_low_job_starts_after_all_earlier_high_ones() {
    let broker = Broker::start();
    let _worker = broker.worker(&["high", "low", "--strict", "-c", "2"]);
    let [high, low] = broker.fill_both([("high", 2, 30), ("low", 0, 10)]).await;
    let last_high = high.iter().map(|(start, _)| *start).max();
    let early = low.iter().filter(|(start, _)| Some(*start) < last_high).count();
    assert!(early <= 2, "{early} low jobs before the last high one");
}

#[tokio::test]
async fn under_load_a_worker_divides_its_slots_by_weight() {
    let broker = Broker::start();
    let _worker = broker.worker(&["big=3", "small=1", "-c", "4"]);
    let [big, small] = broker.fill_both([("big", 3, 60), ("small", 1, 60)]).await;
    let done = big.iter().map(|(start, _)| *start).max();
    let beside = small.iter().filter(|(start, _)| Some(*start) <= done).count();
    let share = beside as f64 / big.len() as f64;
    assert!((0.2..=0.5).contains(&share), "{beside} small jobs beside {} big ones", big.len());
}
