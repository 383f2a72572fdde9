//! Jobs that were in a worker that died run apart from each other, until the guilty one is found.

use naq_core::JobState;

use crate::bench::{Bench, Do, LEASE, secs};

const JOBS: usize = 5;
/// The job that kills its worker whenever it runs. The test kills the worker for it.
const KILLER: usize = 2;

fn name(n: usize) -> String {
    format!("job{n}")
}

/// A bench whose first worker died while it ran all jobs.
async fn after_a_death(script: Do) -> Bench {
    let bench = Bench::new();
    let first = bench.start().await;
    for n in 0..JOBS {
        bench.enqueue(&name(n), [script.clone()]).await;
    }
    assert_eq!(bench.seen.total(), JOBS);
    // Until then its list does not name all of them.
    bench.pass(secs(1)).await;
    first.kill().await;
    bench
}

#[tokio::test]
async fn jobs_of_a_worker_that_died_start_one_after_the_other() {
    let bench = after_a_death(Do::Gate).await;
    let _second = bench.start().await;
    bench.pass(LEASE).await;
    for n in 1..=JOBS {
        assert_eq!(bench.seen.total(), JOBS + n, "one at a time");
        bench.seen.gate.notify_waiters();
        bench.turn().await;
    }
    for n in 0..JOBS {
        let report = bench.report(&name(n)).await;
        let crashes = report.envelope.expect("readable").crashes;
        assert_eq!((report.state, crashes), (JobState::Completed, 1), "{}", name(n));
    }
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_long_job_lets_the_next_one_start_after_a_while() {
    let bench = after_a_death(Do::Hang { heed: false }).await;
    let _second = bench.start().await;
    bench.pass(LEASE).await;
    assert_eq!(bench.seen.total(), JOBS + 1);
    for n in 2..=JOBS {
        bench.pass(secs(31)).await;
        assert_eq!(bench.seen.total(), JOBS + n);
    }
}

#[tokio::test]
async fn a_job_without_crashes_starts_beside_one_that_has_some() {
    let bench = after_a_death(Do::Gate).await;
    let _second = bench.start().await;
    bench.pass(LEASE).await;
    bench.enqueue("fresh", [Do::Succeed]).await;
    assert_eq!(bench.state("fresh").await, JobState::Completed);
}

#[tokio::test]
async fn a_job_that_waits_for_its_turn_has_not_crashed_the_worker_that_dies() {
    let bench = after_a_death(Do::Gate).await;
    let killer = name(KILLER);
    let mut worker = bench.start().await;
    let mut deaths = 1;
    for _ in 0..300 {
        bench.pass(secs(1)).await;
        if bench.seen.starts(&killer) > deaths {
            worker.kill().await;
            deaths += 1;
            worker = bench.start().await;
        } else {
            bench.seen.gate.notify_waiters();
            bench.turn().await;
        }
    }
    assert_eq!(deaths, 3, "it killed the workers of its three runs");
    for n in 0..JOBS {
        let report = bench.report(&name(n)).await;
        let state = if n == KILLER { JobState::Dead } else { JobState::Completed };
        assert_eq!(report.state, state, "{}", name(n));
    }
    assert_eq!(bench.left().await, 0);
}

#[tokio::test]
async fn a_worker_that_stops_gives_back_the_jobs_that_wait_for_their_turn() {
    let bench = after_a_death(Do::Gate).await;
    let mut second = bench.start().await;
    bench.pass(LEASE).await;
    second.stop();
    bench.turn().await;
    bench.seen.gate.notify_waiters();
    bench.turn().await;
    assert!(second.has_ended(), "it holds nothing any more");
    let _third = bench.start().await;
    // A worker that has just started knows no earlier that the first one is gone, which lists the jobs.
    bench.pass(secs(3)).await;
    for _ in 1..JOBS {
        bench.seen.gate.notify_waiters();
        bench.turn().await;
    }
    for n in 0..JOBS {
        let report = bench.report(&name(n)).await;
        let crashes = report.envelope.expect("readable").crashes;
        assert_eq!((report.state, crashes), (JobState::Completed, 1), "{}", name(n));
    }
}
