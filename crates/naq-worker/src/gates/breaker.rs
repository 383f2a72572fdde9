//! The circuit breaker: jobs whose task or dependency is known to be down wait, over all workers.
//!
//! Each worker watches the breakers that are stored, so that it knows of one that opens within a
//! moment, and decides by that without asking. It counts how its own calls end, and adds that to
//! what is stored by compare and set: a few times a second while calls fail, at once when it opens
//! by that, and not at all while all is well. A probe is taken by compare and set before it starts.

mod book;
mod keep;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::breaker::BreakerConfig;
use naq_core::retry::Rule;
use naq_core::transport::{JobKey, Stored, TransportError};
use naq_core::{Envelope, TaskName, Timer, Timestamp};
use tokio::sync::Notify;

use self::book::{Answer, Book, Running, Ticket};
use super::{Entry, Gate, Left};
use crate::identity::random;
use crate::tasks::Tasks;

/// How long the first jobs wait until the worker knows which breakers are open.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// How often a probe is asked for that somebody else gets.
const TRIES: usize = 8;

/// Holds back the jobs of an open breaker.
pub(crate) struct BreakerGate {
    client: Client,
    timer: Arc<dyn Timer>,
    book: Mutex<Book>,
    /// The breakers that were registered for each task.
    tasks: HashMap<TaskName, Vec<String>>,
    /// Whether the book has others, too: any task may be paused.
    strangers: AtomicBool,
    /// Whether the worker has looked which breakers are open; who waits for that is told.
    known: AtomicBool,
    told: Notify,
    /// Something is due to be sent.
    due: Notify,
    /// One probe is asked for at a time: most often the next then knows that all are taken.
    probing: tokio::sync::Mutex<()>,
}

impl BreakerGate {
    pub(crate) fn new(
        client: Client,
        timer: Arc<dyn Timer>,
        tasks: &Tasks,
        lease: Duration,
    ) -> Self {
        let registered = tasks.breakers().map(|(key, config)| (key.to_owned(), config.clone()));
        let keys = tasks.names().map(|name| (name.clone(), tasks.breakers_of(name)));
        Self {
            client,
            timer,
            book: Mutex::new(Book::new(registered, lease)),
            tasks: keys.filter(|(_, keys)| !keys.is_empty()).collect(),
            strangers: AtomicBool::new(false),
            known: AtomicBool::new(false),
            told: Notify::new(),
            due: Notify::new(),
            probing: tokio::sync::Mutex::default(),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the book, and sees to it that what becomes due by that is sent.
    fn note<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book();
        let before = book.due();
        let made = change(&mut book);
        let (strangers, due) = (book.strangers() > 0, book.due());
        drop(book);
        self.strangers.store(strangers, Ordering::Relaxed);
        if due.is_some() && due != before {
            self.due.notify_one();
        }
        made
    }

    /// From now on jobs go by what the book says.
    fn look_is_over(&self) {
        self.known.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    fn is_known(&self) -> bool {
        self.known.load(Ordering::Acquire)
    }

    /// The breakers that the task runs under, that of its own name first.
    fn keys(&self, task: &TaskName) -> Vec<String> {
        let mut keys = self.tasks.get(task).cloned().unwrap_or_default();
        let own = task.as_str();
        if keys.iter().all(|key| key != own) && self.book().knows(own) {
            keys.insert(0, own.to_owned());
        }
        keys
    }

    /// Until the worker knows which breakers are open; but not for long.
    async fn first_look(&self, now: Timestamp) {
        let mut told = std::pin::pin!(self.told.notified());
        told.as_mut().enable();
        if self.is_known() {
            return;
        }
        tokio::select! {
            () = told => {}
            () = self.timer.sleep_until(now + FIRST_LOOK) => self.look_is_over(),
        }
    }

    /// A ticket, or until when to wait and why.
    async fn ask(
        &self,
        key: &str,
        id: &str,
    ) -> Result<Result<Ticket, (Timestamp, String)>, TransportError> {
        let share = random() as f64 / u64::MAX as f64;
        let ask = || {
            let now = self.timer.now();
            self.note(|book| book.ask(key, id, share, now))
        };
        for _ in 0..TRIES {
            match ask() {
                None => break,
                Some(Answer::Go(ticket)) => return Ok(Ok(ticket)),
                Some(Answer::Wait(until, why)) => return Ok(Err((until, why))),
                Some(Answer::Probe(..)) => {}
            }
            let _turn = self.probing.lock().await;
            // Whoever had the turn before may have taken it.
            let Some(Answer::Probe(probe)) = ask() else { continue };
            let (entry, config, take) = *probe;
            let entry = self.client.change_breaker(entry, &config, &[take]).await?;
            let now = self.timer.now();
            if let Some(ticket) = self.note(|book| book.probe(entry, id, now)) {
                return Ok(Ok(ticket));
            }
        }
        Ok(Err((self.timer.now() + FIRST_LOOK, format!("breaker {key} is half open"))))
    }

    /// How jobs that ran under these tickets ended.
    fn ended(&self, tickets: Vec<Ticket>, how: &Left, now: Timestamp) {
        let verdict = |config: &BreakerConfig| match how {
            Left::Succeeded => Some(true),
            Left::Failed(kind) => config.verdict(kind),
            Left::Undecided => None,
        };
        self.note(|book| tickets.into_iter().for_each(|ticket| book.ended(ticket, verdict, now)));
    }
}

fn running(job: &Envelope, stored: &Stored) -> Running {
    let key = JobKey { queue: job.queue.clone(), id: job.id.clone() };
    Running { job: key, seq: stored.seq, crashes: job.crashes }
}

#[async_trait]
impl Gate for BreakerGate {
    fn guards(&self, job: &Envelope) -> bool {
        self.tasks.contains_key(&job.task)
            || !self.is_known()
            || (self.strangers.load(Ordering::Relaxed) && self.book().knows(job.task.as_str()))
    }

    fn rule(&self) -> Rule {
        Rule::Breaker
    }

    async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<Entry, TransportError> {
        if !self.is_known() {
            self.first_look(now).await;
        }
        let (running, mut tickets) = (running(job, stored), Vec::new());
        let id = running.job.to_string();
        for key in self.keys(&job.task) {
            let asked = self.ask(&key, &id).await;
            if let Ok(Ok(ticket)) = asked {
                tickets.push(ticket);
                continue;
            }
            self.ended(tickets, &Left::Undecided, self.timer.now());
            let rule = Rule::Breaker;
            return asked.map(|held| match held {
                Ok(_) => Entry::Pass,
                Err((until, reason)) => Entry::Park { until, rule, reason },
            });
        }
        if !tickets.is_empty() {
            self.book().begin(running, tickets);
        }
        Ok(Entry::Pass)
    }

    async fn leave(&self, job: &Envelope, stored: &Stored, how: &Left, now: Timestamp) {
        let tickets = self.book().end(&running(job, stored));
        if !tickets.is_empty() {
            self.ended(tickets, how, now);
        }
    }

    async fn keep(&self) {
        tokio::join!(self.listen(), self.send());
    }
}

impl fmt::Debug for BreakerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerGate").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}
