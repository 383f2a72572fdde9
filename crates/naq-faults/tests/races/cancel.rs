//! A cancel races with the start of a job, and with the end of its handler.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use naq_client::{ClientError, JobReport};
use naq_core::transport::JobKey;
use naq_core::{Clock, JobState, SystemClock};

use crate::TIMES;
use crate::setup::{HandlerEnd, RaceSetup, until};

type Answer = Result<JobReport, ClientError>;

/// The final state of the job in the result of the cancel.
fn reported_state(answer: &Answer) -> JobState {
    match answer {
        Ok(report) => {
            assert_eq!(report.state, JobState::Cancelled);
            report.state
        }
        Err(ClientError::State { state, .. }) => *state,
        Err(other) => panic!("{other}"),
    }
}

/// Checks that both sides have won at least once. Otherwise there was no race.
fn both_won(states: &[JobState]) {
    let cancelled = states.iter().filter(|state| **state == JobState::Cancelled).count();
    assert!(cancelled > 0 && cancelled < states.len(), "{cancelled} of {}", states.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_during_the_start_cancels_the_job_or_reports_its_end() {
    let (setup, _ending) = RaceSetup::new().await;
    let races = (0..TIMES).map(|n| {
        let setup = &setup;
        async move {
            let key = setup.enqueue_raced(n, Duration::from_millis(1_250)).await;
            let answer = setup.client.cancel(&key, "a race").await;
            (key, answer)
        }
    });
    let (keys, answers): (Vec<JobKey>, Vec<Answer>) = join_all(races).await.into_iter().unzip();
    let mut states = Vec::new();
    for (job, answer) in setup.finish(&keys).await.iter().zip(&answers) {
        let state = job.final_state();
        assert_eq!(state, reported_state(answer), "{job:?}");
        if state == JobState::Completed {
            assert_eq!(job.starts, [1], "{}", job.key);
        }
        states.push(state);
    }
    both_won(&states);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_during_the_end_of_the_handler_cancels_the_job_or_reports_its_end() {
    let (setup, mut ending) = RaceSetup::new().await;
    let kinds = [HandlerEnd::Success, HandlerEnd::Dead, HandlerEnd::Retried];
    let enqueued = (0..TIMES).map(|n| {
        let setup = &setup;
        async move {
            until(SystemClock.now() + Duration::from_millis(5 * (n as u64 / 8))).await;
            setup.enqueue(kinds[n % 3], n as u64 % 24 * 10, Duration::ZERO).await
        }
    });
    // Each job is cancelled at about the time when its handler returns.
    let cancels = async {
        let mut cancels = Vec::new();
        let mut seen = HashSet::new();
        while seen.len() < TIMES {
            let key = ending.recv().await.unwrap();
            if seen.insert(key.id.clone()) {
                let (client, ledger) = (setup.client.clone(), setup.ledger.clone());
                cancels.push(tokio::spawn(async move {
                    ledger.wait_for_handler().await;
                    let answer = client.cancel(&key, "a race").await;
                    ledger.help_loser(answer.is_err());
                    (key.id, answer)
                }));
            }
        }
        join_all(cancels).await
    };
    let (keys, answers) = tokio::join!(join_all(enqueued), cancels);
    let answers: HashMap<_, _> = answers.into_iter().map(Result::unwrap).collect();
    let mut states = Vec::new();
    for (n, job) in setup.finish(&keys).await.iter().enumerate() {
        let state = job.final_state();
        let answer = &answers[&job.key.id];
        assert_eq!(state, reported_state(answer), "{job:?}");
        let expected = match kinds[n % 3] {
            HandlerEnd::Success | HandlerEnd::Retried => JobState::Completed,
            HandlerEnd::Dead => JobState::Dead,
        };
        assert!(state == JobState::Cancelled || state == expected, "{job:?}");
        states.push(state);
    }
    both_won(&states);
}
