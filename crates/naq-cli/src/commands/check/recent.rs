//! Counts the dead letters that are newer than a time. Letters are stored in the order in which their
//! jobs died, so a binary search finds the first new one: about forty requests among a million
//! letters. Only that letter and those after it are counted.

use std::time::Duration;

use anyhow::Result;
use naq_client::Client;
use naq_core::transport::TransportError;
use naq_core::{QueueName, Timestamp};

/// Letters in one request.
const PAGE: u64 = 100;

/// The dead letters of the last `within`, of one queue or of all. The count stops at `enough`.
pub(super) async fn count(
    client: &Client,
    queue: Option<&QueueName>,
    within: Duration,
    enough: u64,
) -> Result<u64> {
    let since = client.broker_now().await?.saturating_sub(within);
    let first = first_since(since, async |seq| letter_from(client, queue, seq).await).await?;
    let Some(mut from) = first else { return Ok(0) };
    let mut found = 0;
    loop {
        let limit = usize::try_from((enough - found).min(PAGE)).unwrap_or(usize::MAX);
        let page = client.transport().dead_letters(queue, from, limit).await?;
        found += page.letters.len() as u64;
        match page.next.filter(|_| found < enough) {
            Some(next) => from = next,
            None => return Ok(found.min(enough)),
        }
    }
}

/// The sequence number of a dead letter, and when it was stored.
type LetterPosition = (u64, Timestamp);

/// The first letter at or after a sequence number; none after the last.
async fn letter_from(
    client: &Client,
    queue: Option<&QueueName>,
    mut seq: u64,
) -> Result<Option<LetterPosition>, TransportError> {
    loop {
        let mut page = client.transport().dead_letters(queue, seq, 1).await?;
        match (page.letters.pop(), page.next) {
            // The message at this sequence number is not a letter.
            (None, Some(next)) => seq = next,
            (letter, _) => return Ok(letter.map(|letter| (letter.seq, letter.stored_at))),
        }
    }
}

/// The sequence number from which on all letters were stored at `since` or later. None if there are
/// no letters.
async fn first_since<E>(
    since: Timestamp,
    letter_from: impl AsyncFn(u64) -> Result<Option<LetterPosition>, E>,
) -> Result<Option<u64>, E> {
    let Some((first, stored_at)) = letter_from(0).await? else { return Ok(None) };
    if stored_at >= since {
        return Ok(Some(first));
    }
    // The letter at `old` is too old. All letters from `young` on are new, or there are none.
    let (mut old, mut young, mut step) = (first, None, 1);
    while young.is_none_or(|young| young - old > 1) {
        let middle = young.map_or(old + step, |young| old + (young - old) / 2);
        match letter_from(middle).await? {
            Some((seq, stored_at)) if stored_at < since => {
                old = seq;
                step *= 2;
            }
            _ => young = Some(middle),
        }
    }
    Ok(young)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Searches letters with these sequence numbers, each stored at ten times its number. Returns the
    /// sequence number found, and the number of requests.
    fn search(letters: &[u64], since: u64) -> (Option<u64>, u32) {
        let requests = Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let found = runtime.block_on(first_since(at(since), async |from| {
            requests.set(requests.get() + 1);
            let index = letters.partition_point(|seq| *seq < from);
            Ok::<_, Infallible>(letters.get(index).map(|seq| (*seq, at(seq * 10))))
        }));
        let Ok(found) = found;
        (found, requests.get())
    }

    #[test]
    fn the_first_new_letter_is_found_despite_gaps() {
        let letters = [3, 4, 9, 100, 101, 5_000];
        for since in 0..60_000 {
            let (found, _) = search(&letters, since);
            let found = found.expect("there are letters");
            // All letters from there on are new, and no letter before it is.
            for seq in letters {
                assert_eq!(seq >= found, seq * 10 >= since, "{since}: {found} {seq}");
            }
        }
        assert_eq!(search(&[], 5).0, None);
    }

    #[test]
    fn a_million_letters_take_about_forty_requests() {
        let letters: Vec<u64> = (1..=1_000_000).collect();
        for since in [0, 10, 5_000_000, 9_999_990, 10_000_000, 99_000_000] {
            let (_, requests) = search(&letters, since);
            assert!(requests <= 42, "{since}: {requests}");
        }
    }
}
