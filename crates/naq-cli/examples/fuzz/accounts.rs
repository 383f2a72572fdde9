//! [`Accounts`]: where each message of the run is, or how it ended.

use std::collections::HashSet;
use std::fmt;

use anyhow::{Result, ensure};
use naq_core::transport::{JobsCursor, JobsQuery, Lookup, Order, Place, SCAN};
use naq_nats::NatsTransport;

use crate::QUEUE;
use crate::messages::Name;

/// How the ids begin that NAQ gives to messages whose subjects name no job.
const GIVEN: &str = "bad-";

/// What was stored, and what was found of it.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// The numbers of the messages whose subjects name a job, and that were not found yet.
    missing: HashSet<u64>,
    /// The numbers of the messages with padded subjects that were not found under their names.
    padded: HashSet<u64>,
    /// How many of these there were.
    all_padded: usize,
    /// How many messages have subjects that name no job.
    unnamed: usize,
    /// The ids that NAQ gave to messages without one.
    given: HashSet<String>,
    records: Read,
    letters: Read,
    waiting: usize,
}

/// How far the records or the dead letters are read.
#[derive(Debug, Default)]
struct Read {
    next: u64,
    found: usize,
}

impl Accounts {
    /// Message `n` was stored.
    pub(crate) fn stored(&mut self, n: u64, name: Name) {
        match name {
            Name::Valid => drop(self.missing.insert(n)),
            Name::Padded => {
                self.padded.insert(n);
                self.all_padded += 1;
            }
            Name::Invalid => self.unnamed += 1,
        }
    }

    /// Reads the records and dead letters that are new since the last call. A record expires after an hour, and
    /// a long run takes longer.
    pub(crate) async fn read_ends(&mut self, transport: &NatsTransport) -> Result<()> {
        for place in [Place::Record, Place::Dead] {
            let Read { mut next, mut found } = *self.of(place);
            found += self.read(transport, place, &mut next).await?;
            *self.of(place) = Read { next, found };
        }
        Ok(())
    }

    /// Reads the jobs that wait: for a retry, or for a worker that knows them.
    pub(crate) async fn read_waiting(&mut self, transport: &NatsTransport) -> Result<()> {
        self.waiting = self.read(transport, Place::Schedule, &mut 0).await?;
        // A wait may have become due since the last look.
        self.read_ends(transport).await
    }

    fn of(&mut self, place: Place) -> &mut Read {
        if place == Place::Record { &mut self.records } else { &mut self.letters }
    }

    async fn read(
        &mut self,
        transport: &NatsTransport,
        place: Place,
        next: &mut u64,
    ) -> Result<usize> {
        let mut found = 0;
        let mut cursor = JobsCursor { queue: None, seq: *next };
        loop {
            let query = JobsQuery {
                queue: Some(QUEUE.parse()?),
                order: Order::OldestFirst,
                limit: SCAN,
                cursor: Some(cursor),
                ..JobsQuery::at(place)
            };
            let page = transport.jobs(&query).await?;
            found += page.jobs.len();
            for job in page.jobs {
                *next = (*next).max(job.seq + 1);
                let id = job.key.id.as_str();
                if let Some(n) = id.strip_prefix('f').and_then(|n| n.parse().ok()) {
                    self.missing.remove(&n);
                    self.padded.remove(&n);
                } else if id.starts_with(GIVEN) {
                    self.given.insert(id.to_owned());
                }
            }
            match page.next {
                Some(after) => cursor = after,
                None => return Ok(found),
            }
        }
    }

    /// # Errors
    /// A message has no end, and is not stored any more.
    pub(crate) fn check(&self) -> Result<()> {
        let some: Vec<_> = self.missing.iter().take(20).collect();
        ensure!(some.is_empty(), "{} messages have no end: {some:?}", self.missing.len());
        // A padded message that ended under its name may have an end under a given id too.
        let (least, most) = (self.unnamed + self.padded.len(), self.unnamed + self.all_padded);
        let given = self.given.len();
        let is_right = (least..=most).contains(&given);
        ensure!(is_right, "{least} to {most} messages need an id, and {given} have got one");
        Ok(())
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, letters, waiting, .. } = self;
        let unnamed = self.unnamed + self.all_padded;
        let (records, letters) = (records.found, letters.found);
        write!(
            f,
            "{records} records, {letters} dead letters, {waiting} wait, {unnamed} had odd subjects"
        )
    }
}
