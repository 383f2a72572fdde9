//! Dead letters: reads each one, and decides by its error kind.

use anyhow::Result;
use naq::client::{DeadFilter, DeadSummary};
use naq::{Client, ErrorKind};

use crate::QUEUE;

/// What to do with a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterAction {
    /// The cause has passed: give the job a new life.
    Requeue,
    /// The job is of no use any more.
    Purge,
    /// A person must decide.
    Keep,
}

/// The rules of this shop.
pub fn decide(letter: &DeadSummary) -> LetterAction {
    let is = |kind: &ErrorKind| letter.error_kind.is(kind);
    if is(&ErrorKind::CONNECTION) || is(&ErrorKind::TIMEOUT) {
        LetterAction::Requeue
    } else if is(&"ValueError.row".into()) {
        LetterAction::Purge
    } else {
        LetterAction::Keep
    }
}

/// Processes the queue's dead letters once. By hand: `naq dlq list`, `naq dlq requeue
/// --error-kind ConnectionError --all`, `naq dlq purge ID`.
///
/// # Errors
/// The broker cannot be reached.
pub async fn process(client: &Client) -> Result<Vec<(DeadSummary, LetterAction)>> {
    let ours = DeadFilter { queue: Some(QUEUE.parse()?), ..DeadFilter::default() };
    let (mut from, mut done) = (0, Vec::new());
    loop {
        let page = client.dead_letters(&ours, from, 100).await?;
        for letter in &page.letters {
            let summary = DeadSummary::from(letter);
            let action = decide(&summary);
            match action {
                LetterAction::Requeue => drop(client.requeue(letter, None).await?),
                LetterAction::Purge => drop(client.purge_dead(letter).await?),
                LetterAction::Keep => {}
            }
            done.push((summary, action));
        }
        match page.next {
            Some(next) => from = next,
            None => return Ok(done),
        }
    }
}
