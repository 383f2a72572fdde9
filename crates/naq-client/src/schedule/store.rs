//! Register, change and remove schedules: their entries in the state store, by compare and set.

use naq_core::names::ScheduleName;
use naq_core::schedule::{Schedule, ScheduleEntry};
use naq_core::transport::{Expect, Saved, StateEntry};

use crate::schedule::error::ScheduleError;
use crate::schedule::report::ScheduleReport;
use crate::schedule::stored_schedule::StoredSchedule;
use crate::schedule::verbs::Schedules;

/// How many times a change is attempted while other processes change the same entry.
const MAX_CONFLICTS: usize = 100;
/// How many schedules one request reads.
const PAGE: usize = 200;

/// The result of registering a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Registered {
    /// There was no schedule with this name.
    Created,
    /// There was one, and it now has the new definition. Its counts are kept.
    Updated,
    /// There was one with the same definition.
    Unchanged,
}

/// What to do with the entry that was read.
enum ScheduleChange {
    Store(Box<ScheduleEntry>),
    Keep,
}

impl Schedules<'_> {
    /// Registers `schedule`. Several processes may do so at the same time. If a schedule of this name
    /// exists, it keeps its counts, its pause and its creation time. An interval without a start
    /// counts from the creation time, so its ticks stay the same. After a change of its times, the schedule forgets ticks that
    /// were due before the change.
    ///
    /// Signs its job with the key of this client, if it has one. Also enqueues the schedule's chore if
    /// it is missing.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub async fn register(&self, schedule: Schedule) -> Result<Registered, ScheduleError> {
        schedule.check()?;
        let schedule = self.client.protect_schedule(schedule)?;
        let now = self.client.broker_now().await?;
        let name = schedule.name.clone();
        let change = self.change(&name, |found| {
            let Some(found) = found else {
                let schedule = Schedule { created_at: now, ..schedule.clone() };
                return Ok(ScheduleChange::Store(Box::new(ScheduleEntry::new(schedule))));
            };
            let mut entry = found.clone();
            let set_back = entry.set_back(now);
            let mut wanted = schedule.clone();
            wanted.paused = entry.schedule.paused;
            wanted.created_at = entry.schedule.created_at;
            if wanted == entry.schedule && !set_back {
                return Ok(ScheduleChange::Keep);
            }
            if !wanted.same_times(&entry.schedule) {
                entry.progress.forget_until(now);
            }
            if wanted.job.queue() != entry.schedule.job.queue() {
                entry.progress.moved_from(entry.schedule.job.queue());
            }
            entry.schedule = wanted;
            Ok(ScheduleChange::Store(Box::new(entry)))
        });
        let (existed, found, changed) = change.await?;
        self.ensure_chore(&found, changed).await?;
        Ok(match (existed, changed) {
            (false, _) => Registered::Created,
            (true, true) => Registered::Updated,
            (true, false) => Registered::Unchanged,
        })
    }

    /// Changes the definition of a schedule. `change` may run several times.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`]; the errors of `change`; other kinds of [`ScheduleError`].
    pub async fn update(
        &self,
        name: &ScheduleName,
        change: impl Fn(&mut Schedule) -> Result<(), ScheduleError> + Send + Sync,
    ) -> Result<ScheduleReport, ScheduleError> {
        let now = self.client.broker_now().await?;
        let changing = self.change(name, |found| {
            let mut entry = found.ok_or_else(|| ScheduleError::NotFound(name.clone()))?.clone();
            let set_back = entry.set_back(now);
            let before = entry.schedule.clone();
            change(&mut entry.schedule)?;
            entry.schedule.check()?;
            if entry.schedule.job != before.job {
                entry.schedule = self.client.protect_schedule(entry.schedule)?;
            }
            if entry.schedule == before && !set_back {
                return Ok(ScheduleChange::Keep);
            }
            // Ticks that passed during a pause make no runs. A run that waited for the end of another
            // run is skipped too, below.
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
            Ok(ScheduleChange::Store(Box::new(entry)))
        });
        let (_, found, changed) = changing.await?;
        self.ensure_chore(&found, changed).await?;
        Ok(self.report_of(found))
    }

    /// Pauses a schedule: its ticks make no runs until it is resumed. Runs that exist continue.
    ///
    /// # Errors
    /// [`ScheduleError`], such as [`ScheduleError::NotFound`].
    pub async fn pause(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        self.update(name, |schedule| {
            schedule.paused = true;
            Ok(())
        })
        .await
    }

    /// Resumes a schedule with its next tick. Ticks that passed during the pause make no runs.
    ///
    /// # Errors
    /// [`ScheduleError`], such as [`ScheduleError::NotFound`].
    pub async fn resume(&self, name: &ScheduleName) -> Result<ScheduleReport, ScheduleError> {
        self.update(name, |schedule| {
            schedule.paused = false;
            Ok(())
        })
        .await
    }

    /// Removes a schedule, even one that this version cannot read. Runs that exist continue. False
    /// when there was no schedule with this name.
    ///
    /// If the process crashes in the middle, the schedule's chore may stay. It ends at its next tick.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub async fn delete(&self, name: &ScheduleName) -> Result<bool, ScheduleError> {
        let key = ScheduleEntry::key(name)?;
        let mut existed = false;
        for _ in 0..MAX_CONFLICTS {
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

    /// Changes an entry by compare and set. Returns whether there was an entry, the entry as it is
    /// stored now, and whether this call has changed it.
    async fn change(
        &self,
        name: &ScheduleName,
        decide: impl Fn(Option<&ScheduleEntry>) -> Result<ScheduleChange, ScheduleError> + Send + Sync,
    ) -> Result<(bool, StoredSchedule, bool), ScheduleError> {
        for _ in 0..MAX_CONFLICTS {
            let found = self.find(name).await?;
            let existed = found.is_some();
            let decided = decide(found.as_ref().map(|found| &found.entry))?;
            let (entry, expect) = match (decided, found) {
                (ScheduleChange::Keep, Some(found)) => return Ok((true, found, false)),
                (ScheduleChange::Keep, None) => return Err(ScheduleError::NotFound(name.clone())),
                (ScheduleChange::Store(entry), found) => {
                    let expect = found.map_or(Expect::Absent, |f| Expect::Revision(f.revision));
                    (*entry, expect)
                }
            };
            if let Some(revision) = self.put(&entry, expect).await? {
                return Ok((existed, StoredSchedule { entry, revision }, true));
            }
        }
        Err(ScheduleError::Contended(name.clone()))
    }

    /// Stores an entry. Returns its revision, or `None` if the stored entry is not as expected.
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

    /// The schedule with this name, if there is one.
    pub(super) async fn find(
        &self,
        name: &ScheduleName,
    ) -> Result<Option<StoredSchedule>, ScheduleError> {
        let Some(stored) = self.read(name).await? else { return Ok(None) };
        let entry = ScheduleEntry::decode(name, &stored.value);
        let entry =
            entry.map_err(|fault| ScheduleError::Unreadable { name: name.clone(), fault })?;
        Ok(Some(StoredSchedule { entry, revision: stored.revision }))
    }

    /// All entries, sorted by name.
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
