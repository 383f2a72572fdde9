//! A cancel races the start of a job, and the end of its handler.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use naq_client::{ClientError, JobReport};
use naq_core::transport::JobKey;
use naq_core::{Clock, JobState, SystemClock};

use crate::TIMES;
use crate::arena::{Arena, Ends, until};

type Answer = Result<JobReport, ClientError>;

/// What the cancel was told: how the job has ended.
fn told(answer: &Answer) -> JobState {
    match answer {
        Ok(report) => {
            assert_eq!(report.state, JobState::Cancelled);
            report.state
        }
        Err(ClientError::State { state, .. }) => *state,
        Err(other) => panic!("{other}"),
    }
}

/// Both sides won now and then, or it was no race.
fn both_won(states: &[JobState]) {
    let cancelled = states.iter().filter(|state| **state == JobState::Cancelled).count();
    assert!(cancelled > 0 && cancelled < states.len(), "{cancelled} of {}", states.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_races_the_start_ends_the_job_or_finds_it_ended() {
    let (arena, _ending) = Arena::new().await;
    let races = (0..TIMES).map(|n| {
        let arena = &arena;
        async move {
            let key = arena.enqueue_raced(n, Duration::ZERO).await;
            let answer = arena.client.cancel(&key, "a race").await;
            (key, answer)
        }
    });
    let (keys, answers): (Vec<JobKey>, Vec<Answer>) = join_all(races).await.into_iter().unzip();
    let mut states = Vec::new();
    for (left, answer) in arena.settle(&keys).await.iter().zip(&answers) {
        let state = left.outcome();
        assert_eq!(state, told(answer), "{left:?}");
        if state == JobState::Completed {
            assert_eq!(left.starts, [1], "{}", left.key);
        }
        states.push(state);
    }
    both_won(&states);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_races_the_end_of_the_handler_wins_or_finds_it_ended() {
    let (arena, mut ending) = Arena::new().await;
    let kinds = [Ends::Well, Ends::Dead, Ends::Retried];
    let enqueued = (0..TIMES).map(|n| {
        let arena = &arena;
        async move {
            until(SystemClock.now() + Duration::from_millis(5 * (n as u64 / 8))).await;
            arena.enqueue(kinds[n % 3], n as u64 % 24, Duration::ZERO).await
        }
    });
    // Each is cancelled about when its handler returns.
    let cancels = async {
        let mut under_way = Vec::new();
        let mut seen = HashSet::new();
        while seen.len() < TIMES {
            let key = ending.recv().await.unwrap();
            if seen.insert(key.id.clone()) {
                let client = arena.client.clone();
                under_way.push(tokio::spawn(async move {
                    let answer = client.cancel(&key, "a race").await;
                    (key.id, answer)
                }));
            }
        }
        join_all(under_way).await
    };
    let (keys, answers) = tokio::join!(join_all(enqueued), cancels);
    let answers: HashMap<_, _> = answers.into_iter().map(Result::unwrap).collect();
    let mut states = Vec::new();
    for (n, left) in arena.settle(&keys).await.iter().enumerate() {
        let (state, answer) = (left.outcome(), &answers[&left.key.id]);
        assert_eq!(state, told(answer), "{left:?}");
        let otherwise = match kinds[n % 3] {
            Ends::Well | Ends::Retried => JobState::Completed,
            Ends::Dead => JobState::Dead,
        };
        assert!(state == JobState::Cancelled || state == otherwise, "{left:?}");
        states.push(state);
    }
    both_won(&states);
}
