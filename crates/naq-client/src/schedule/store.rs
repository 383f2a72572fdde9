//! Register, change, remove: what stands under a schedule's key, compared and set as one.

use naq_core::names::ScheduleName;
use naq_core::schedule::{Schedule, ScheduleEntry};
use naq_core::transport::{Expect, Saved, StateEntry};

use crate::schedule::{ScheduleError, ScheduleReport, Schedules};

/// Others win a comparison only by going on themselves; so many times in a row is no accident.
const TRIES: usize = 100;
/// Schedules asked for at once.
const PAGE: usize = 200;

/// What registering a schedule came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Registered {
    /// There was none of this name.
    Created,
    /// There was one, and it is as defined now; its runs go on counting.
    Updated,
    /// It was there, as defined.
    Unchanged,
}

/// An entry as it was read.
pub(super) struct Found {
    pub(super) entry: ScheduleEntry,
    pub(super) revision: u64,
}

/// What to store in place of what was found.
enum Change {
    Put(Box<ScheduleEntry>),
    Keep,
}

impl Schedules<'_> {
    /// Registers `schedule`, from any number of processes at once. Where one of its name stands
    /// already, its counts go on, a pause stays, and the moment it was made: an interval without a
    /// start keeps its beat. If its times are others, ticks before this moment are none of theirs.
    ///
    /// Its chore is looked for too, and enqueued if it is missing.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub async fn register(&self, schedule: Schedule) -> Result<Registered, ScheduleError> {
        schedule.check()?;
        let now = self.client.broker_clock().await?.now;
        let name = schedule.name.clone();
        let change = self.change(&name, |found| {
            let Some(found) = found else {
                let schedule = Schedule { created_at: now, ..schedule.clone() };
                return Ok(Change::Put(Box::new(ScheduleEntry::new(schedule))));
            };
            let mut entry = found.clone();
            let mut wanted = schedule.clone();
            (wanted.paused, wanted.created_at) = (entry.schedule.paused, entry.schedule.created_at);
            if wanted == entry.schedule {
                return Ok(Change::Keep);
            }
            if !wanted.same_times(&entry.schedule) {
                entry.progress.forget_until(now);
            }
            if wanted.job.queue() != entry.schedule.job.queue() {
                entry.progress.moved_from(entry.schedule.job.queue());
            }
            entry.schedule = wanted;
            Ok(Change::Put(Box::new(entry)))
        });
        let (existed, found, changed) = change.await?;
        self.ensure(&found, changed).await?;
        Ok(match (existed, changed) {
            (false, _) => Registered::Created,
            (true, true) => Registered::Updated,
            (true, false) => Registered::Unchanged,
        })
    }

    /// Changes the schedule of this name: registers what `change` makes of its definition.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`]; what `change` says; others.
    pub async fn update(
        &self,
        name: &ScheduleName,
        change: impl Fn(&mut Schedule) -> Result<(), ScheduleError> + Send + Sync,
    ) -> Result<ScheduleReport, ScheduleError> {
        let now = self.client.broker_clock().await?.now;
        let changing = self.change(name, |found| {
            let mut entry = found.ok_or_else(|| ScheduleError::NotFound(name.clone()))?.clone();
            let before = entry.schedule.clone();
            change(&mut entry.schedule)?;
            entry.schedule.check()?;
            if entry.schedule == before {
                return Ok(Change::Keep);
            }
            // While it is paused, ticks pass by; and a run that waited does not start later on.
            let resumed = before.paused && !entry.schedule.paused;
            if resumed || !before.same_times(&entry.schedule) {
                entry.progress.forget_until(now);
            }
            if before.job.queue() != entry.schedule.job.queue() {
                entry.progress.moved_from(before.job.queue());
            }
            if resumed && entry.progress.waiting.take().is_some() {
                entry.progress.skipped += 1;
            }
            Ok(Change::Put(Box::new(entry)))
        });
        let (_, found, changed) = changing.await?;
        self.ensure(&found, changed).await?;
        Ok(self.report_of(found))
    }

    /// Makes no run at its ticks until it is resumed. Runs that were made go on.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub async fn pause(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        self.update(name, |schedule| {
            schedule.paused = true;
            Ok(())
        })
        .await
    }

    /// Goes on with the next tick from now. Those that passed meanwhile are not caught up with.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub async fn resume(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        self.update(name, |schedule| {
            schedule.paused = false;
            Ok(())
        })
        .await
    }

    /// Removes the schedule, also one that this version cannot read. Runs that were made go on. False
    /// when there was none.
    ///
    /// A crash between definition and chore leaves a chore that ends at its next tick.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub async fn delete(&self, name: &ScheduleName) -> Result<bool, ScheduleError> {
        let key = ScheduleEntry::key(name)?;
        let mut existed = false;
        for _ in 0..TRIES {
            let Some(found) = self.read(name).await? else { break };
            let expect = Expect::Revision(found.revision);
            existed = true;
            if self.client.transport.state_remove(&key, expect).await? != Saved::Conflict {
                break;
            }
        }
        self.remove_chore(name).await?;
        Ok(existed)
    }

    /// Compares and sets until nobody came between: whether one was there, what stands there now,
    /// and whether that was changed.
    async fn change(
        &self,
        name: &ScheduleName,
        decide: impl Fn(Option<&ScheduleEntry>) -> Result<Change, ScheduleError> + Send + Sync,
    ) -> Result<(bool, Found, bool), ScheduleError> {
        for _ in 0..TRIES {
            let found = self.find(name).await?;
            let existed = found.is_some();
            let entry = match (decide(found.as_ref().map(|found| &found.entry))?, found) {
                (Change::Keep, Some(found)) => return Ok((true, found, false)),
                (Change::Keep, None) => return Err(ScheduleError::NotFound(name.clone())),
                (Change::Put(entry), found) => {
                    let expect = found.map_or(Expect::Absent, |f| Expect::Revision(f.revision));
                    (*entry, expect)
                }
            };
            let (entry, expect) = entry;
            if let Some(revision) = self.put(&entry, expect).await? {
                return Ok((existed, Found { entry, revision }, true));
            }
        }
        Err(ScheduleError::Contended(name.clone()))
    }

    /// Stores an entry; its revision, or none when something else than expected stands there.
    pub(super) async fn put(
        &self,
        entry: &ScheduleEntry,
        expect: Expect,
    ) -> Result<Option<u64>, ScheduleError> {
        let key = ScheduleEntry::key(&entry.schedule.name)?;
        let saved = self.client.transport.state_put(&key, entry.encode()?, expect, None).await?;
        Ok(match saved {
            Saved::Stored(revision) => Some(revision),
            Saved::Conflict => None,
        })
    }

    async fn read(&self, name: &ScheduleName) -> Result<Option<StateEntry>, ScheduleError> {
        let key = ScheduleEntry::key(name)?;
        Ok(self.client.transport.state_get(&[key]).await?.pop().flatten())
    }

    /// The schedule of this name; none when there is none.
    pub(super) async fn find(&self, name: &ScheduleName) -> Result<Option<Found>, ScheduleError> {
        let Some(stored) = self.read(name).await? else { return Ok(None) };
        let entry = ScheduleEntry::decode(name, &stored.value);
        let entry =
            entry.map_err(|fault| ScheduleError::Unreadable { name: name.clone(), fault })?;
        Ok(Some(Found { entry, revision: stored.revision }))
    }

    /// All entries, by name.
    pub(super) async fn read_all(&self) -> Result<Vec<(ScheduleName, StateEntry)>, ScheduleError> {
        let prefix = ScheduleEntry::prefix()?;
        let mut all = Vec::new();
        let mut from = Some(0);
        while let Some(start) = from {
            let page = self.client.transport.state_list(&prefix, start, PAGE).await?;
            for entry in page.entries {
                let name = entry.key.tokens().nth(1).and_then(|name| ScheduleName::new(name).ok());
                all.extend(name.map(|name| (name, entry)));
            }
            from = page.next;
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all.dedup_by(|(a, _), (b, _)| a == b);
        Ok(all)
    }
}
