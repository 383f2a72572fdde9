//! Dead letters: look at each, and decide by the kind of its error.

use anyhow::Result;
use naq::client::{DeadFilter, DeadSummary};
use naq::{Client, ErrorKind};

use crate::QUEUE;

/// What is done about a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// What it needed is back: another life.
    Requeue,
    /// Nobody will ever want it.
    Purge,
    /// A person has to look at it.
    Keep,
}

/// The rules of the house.
pub fn decide(letter: &DeadSummary) -> Verdict {
    let is = |kind: &ErrorKind| letter.error_kind.is(kind);
    if is(&ErrorKind::CONNECTION) || is(&ErrorKind::TIMEOUT) {
        Verdict::Requeue
    } else if is(&"ValueError.row".into()) {
        Verdict::Purge
    } else {
        Verdict::Keep
    }
}

/// Goes through the queue's dead letters once. The same by hand: `naq dlq list`, `naq dlq requeue
/// --error-kind ConnectionError --all`, `naq dlq purge ID`.
///
/// # Errors
/// The broker cannot be reached.
pub async fn process(client: &Client) -> Result<Vec<(DeadSummary, Verdict)>> {
    let ours = DeadFilter { queue: Some(QUEUE.parse()?), ..DeadFilter::default() };
    let (mut from, mut done) = (0, Vec::new());
    loop {
        let page = client.dead_letters(&ours, from, 100).await?;
        for letter in &page.letters {
            let summary = DeadSummary::from(letter);
            let verdict = decide(&summary);
            match verdict {
                Verdict::Requeue => drop(client.requeue(letter, None).await?),
                Verdict::Purge => drop(client.purge_dead(letter).await?),
                Verdict::Keep => {}
            }
            done.push((summary, verdict));
        }
        match page.next {
            Some(next) => from = next,
            None => return Ok(done),
        }
    }
}
