//! Batches: one action on many jobs; progress, cancel and undo.

use std::time::Duration;

use naq_client::{
    Batch, BatchAction, BatchError, BatchItem, BatchOrder, BatchScope, BatchState, DeadFilter,
    LiveFilter, WaitingFilter,
};
use naq_core::failure::ErrorKind;
use naq_core::names::TaskName;
use naq_core::state::JobState;
use naq_core::transport::{Place, StaleReason, Stored, Subscription};

use crate::Subject;
use crate::case::{BRIEF, Case};

/// More than one page of a batch.
const MANY: usize = 120;

impl Case<'_> {
    /// Makes `count` dead letters with an error of this kind.
    async fn letters(&self, sub: &mut Box<dyn Subscription>, count: usize, kind: &str) {
        for i in 0..count {
            self.enqueue(&format!("{}-{i}", kind.replace('.', "-"))).await;
        }
        for delivery in self.next_deliveries(sub, count).await {
            self.settle(&delivery, &self.dead(&delivery, kind)).await;
        }
    }

    fn dead_of(&self, filter: DeadFilter) -> BatchScope {
        BatchScope::Dead(DeadFilter { queue: Some(self.queue.clone()), ..filter })
    }

    async fn all_letters(&self) -> Vec<Stored> {
        let mut letters = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let page = self.transport.dead_letters(Some(&self.queue), from, 500).await.unwrap();
            letters.extend(page.letters);
            next = page.next;
        }
        letters.sort_by(|a, b| a.key.cmp(&b.key));
        letters
    }

    async fn all_waiting(&self) -> Vec<Stored> {
        let mut jobs = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let page = self.transport.waiting_jobs(&self.queue, from, 500).await.unwrap();
            jobs.extend(page.jobs);
            next = page.next;
        }
        jobs
    }

    async fn start(&self, action: BatchAction, scope: BatchScope) -> Batch {
        let order = BatchOrder::new(action, scope, "ann").reason("tests");
        self.client.start_batch(order).await.unwrap()
    }

    async fn run(&self, action: BatchAction, scope: BatchScope) -> Batch {
        let batch = self.start(action, scope).await;
        self.client.run_batch(&batch.id, || false).await.unwrap()
    }

    fn waiting_here(&self) -> BatchScope {
        BatchScope::Waiting(WaitingFilter {
            queue: Some(self.queue.clone()),
            ..WaitingFilter::default()
        })
    }
}

/// The headers, sorted: a client of the broker may change their order.
fn headers(stored: &Stored) -> Vec<(&str, &str)> {
    let mut headers: Vec<_> = stored.message.headers().collect();
    headers.sort_unstable();
    headers
}

pub async fn a_preview_counts_the_scope_and_describes_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, 3, "TimeoutError").await;
    case.letters(&mut sub, 2, "HTTPError.503").await;
    case.enqueue_in("waits", Duration::from_secs(60)).await;
    let queue = &case.queue;
    let kind = Some(ErrorKind::new("HTTPError").unwrap());
    let group = |pattern: &str, kind: &str| DeadFilter {
        task: Some(TaskName::new("task").unwrap()),
        error_kind: Some(ErrorKind::new(kind.to_owned()).unwrap()),
        pattern: Some(pattern.to_owned()),
        ..DeadFilter::default()
    };
    for (scope, count, exact, words) in [
        (case.dead_of(DeadFilter::default()), 5, true, format!("5 dead letters of queue {queue}")),
        (
            case.dead_of(DeadFilter { error_kind: kind, ..DeadFilter::default() }),
            2,
            true,
            format!("2 dead letters of queue {queue}, kind HTTPError"),
        ),
        (
            case.dead_of(group("went wrong", "TimeoutError")),
            3,
            true,
            format!(
                "3 dead letters of queue {queue}, task task, kind TimeoutError, \
                 message \"went wrong\""
            ),
        ),
        (
            // An error group has exactly one kind: `HTTPError` does not include `HTTPError.503`.
            case.dead_of(group("went wrong", "HTTPError")),
            0,
            true,
            format!(
                "0 dead letters of queue {queue}, task task, kind HTTPError, \
                 message \"went wrong\""
            ),
        ),
        (case.waiting_here(), 1, false, format!("1 waiting job of queue {queue}")),
    ] {
        let preview = case.client.preview_batch(&scope).await.unwrap();
        assert_eq!((preview.count, preview.exact, preview.words), (count, exact, words));
    }
    let all = case.client.preview_batch(&BatchScope::Dead(DeadFilter::default())).await.unwrap();
    assert!(all.count >= 5 && all.exact, "{all:?}");
    let scope = case.dead_of(group("no such message", "TimeoutError"));
    let action = BatchAction::PurgeDead;
    let refused = case.client.start_batch(BatchOrder::new(action, scope, "ann")).await;
    assert!(matches!(refused, Err(BatchError::Nothing(_))), "{refused:?}");
}

pub async fn a_requeue_drips_after_its_window_and_each_job_runs_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, 8, "Error").await;
    let action = BatchAction::RequeueDead { per_second: Some(4.0) };
    let scope = case.dead_of(DeadFilter::default());
    let window = Duration::from_secs(2);
    let order = BatchOrder::new(action, scope, "ann").undo_window(window);
    let batch = case.client.start_batch(order).await.unwrap();
    assert_eq!((batch.state, batch.total, batch.exact), (BatchState::Running, 8, true));
    let started = case.now();
    let batch = case.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!((batch.state, batch.done, batch.failed), (BatchState::Done, 8, 0), "{batch:?}");
    assert_eq!(case.all_letters().await.len(), 0);
    let mut dues: Vec<_> = case.all_waiting().await.iter().filter_map(|job| job.due_at).collect();
    dues.sort_unstable();
    assert_eq!((dues.len(), dues.last().copied()), (8, batch.last_due_at));
    assert!(dues[0] >= started + window);
    for pair in dues.windows(2) {
        assert_eq!(pair[1].since(pair[0]), Duration::from_millis(250));
    }
    // A second run of a batch that is done changes nothing.
    let again = case.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!(again, batch);
    for _ in 0..8 {
        case.complete(&case.next_delivery(&mut sub).await).await;
    }
    case.expect_nothing(&mut sub, BRIEF).await;
    let refused = case.client.undo_batch(&batch.id, "ann", || false).await;
    assert!(matches!(refused, Err(BatchError::State { .. })), "{refused:?}");
    let listed = case.client.batches().await.unwrap();
    assert!(listed.iter().any(|it| it.id == batch.id && it.who == "ann"));
}

pub async fn jobs_that_are_not_due_are_undone_byte_for_byte(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, MANY, "Error").await;
    let before = case.all_letters().await;
    let action = BatchAction::RequeueDead { per_second: None };
    let batch = case.run(action.clone(), case.dead_of(DeadFilter::default())).await;
    assert_eq!((batch.done, batch.state), (MANY as u64, BatchState::Done));
    assert_eq!((case.all_letters().await.len(), case.all_waiting().await.len()), (0, MANY));
    let batch = case.client.undo_batch(&batch.id, "bob", || false).await.unwrap();
    assert_eq!((batch.state, batch.undone), (BatchState::Undone, MANY as u64), "{batch:?}");
    assert_eq!(case.all_waiting().await, []);
    let after = case.all_letters().await;
    assert_eq!(after.len(), MANY);
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&after.key, &after.message.body), (&before.key, &before.message.body));
        assert_eq!(headers(after), headers(before));
    }
    let refused = case.client.undo_batch(&batch.id, "bob", || false).await;
    assert!(matches!(refused, Err(BatchError::State { .. })), "{refused:?}");
    // The letters can be requeued again.
    let order = BatchOrder::new(action, case.dead_of(DeadFilter::default()), "ann");
    let batch = case.client.start_batch(order.undo_window(Duration::ZERO)).await.unwrap();
    let batch = case.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!(batch.done, MANY as u64, "{batch:?}");
    let mut seen: Vec<_> =
        case.next_deliveries(&mut sub, MANY).await.iter().map(|it| it.stored.key.clone()).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), MANY);
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn an_undo_leaves_jobs_that_have_started(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, 4, "Error").await;
    let action = BatchAction::RequeueDead { per_second: Some(0.2) };
    let order = BatchOrder::new(action, case.dead_of(DeadFilter::default()), "ann");
    let order = order.undo_window(Duration::from_secs(1));
    let batch = case.client.start_batch(order).await.unwrap();
    case.client.run_batch(&batch.id, || false).await.unwrap();
    // The first job is due after 1 s, the next one after 6 s.
    let first = case.next_delivery(&mut sub).await;
    let batch = case.client.undo_batch(&batch.id, "ann", || false).await.unwrap();
    assert_eq!((batch.undone, batch.state), (3, BatchState::Undone), "{batch:?}");
    assert_eq!(case.all_letters().await.len(), 3);
    case.complete(&first).await;
    case.expect_nothing(&mut sub, Duration::from_secs(6)).await;
    case.expect_places(first.stored.key.id.as_str(), &[Place::Record]).await;
}

pub async fn a_cancelled_batch_leaves_the_remaining_letters(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, MANY, "Error").await;
    let batch = case.start(BatchAction::PurgeDead, case.dead_of(DeadFilter::default())).await;
    // The run stops after one page. Then an operator can continue or cancel the batch.
    let batch = case.client.run_batch(&batch.id, || true).await.unwrap();
    assert_eq!(batch.state, BatchState::Running);
    let done = batch.done;
    let left = case.all_letters().await.len() as u64;
    assert!(done > 0 && left > 0 && done + left == MANY as u64, "{done} {left}");
    let batch = case.client.cancel_batch(&batch.id, "bob").await.unwrap();
    assert_eq!((batch.state, batch.done), (BatchState::Cancelled, done));
    assert_eq!(case.client.run_batch(&batch.id, || false).await.unwrap(), batch);
    assert_eq!(case.all_letters().await.len() as u64, left);
    let refused = case.client.cancel_batch(&batch.id, "bob").await;
    assert!(matches!(refused, Err(BatchError::State { .. })), "{refused:?}");
}

pub async fn letters_of_one_error_group_are_purged_and_no_others(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, 3, "TimeoutError").await;
    case.letters(&mut sub, 2, "ValueError").await;
    let scope = case.dead_of(DeadFilter {
        task: Some(TaskName::new("task").unwrap()),
        error_kind: Some(ErrorKind::TIMEOUT),
        pattern: Some("went wrong".into()),
        ..DeadFilter::default()
    });
    let batch = case.run(BatchAction::PurgeDead, scope).await;
    assert_eq!((batch.done, batch.state), (3, BatchState::Done));
    let left = case.all_letters().await;
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|letter| letter.dead_letter().error_kind == ErrorKind::VALUE));
    let refused = case.client.undo_batch(&batch.id, "ann", || false).await;
    assert!(matches!(refused, Err(BatchError::State { .. })), "{refused:?}");
}

pub async fn waiting_jobs_are_released_spread_and_cancelled(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let delay = Duration::from_secs(30);
    for i in 0..MANY {
        case.enqueue_in(&format!("job-{i}"), delay).await;
    }
    case.enqueue_in("far", Duration::from_secs(86_400)).await;
    let due = async || -> Vec<_> {
        let jobs = case.all_waiting().await;
        let mut dues: Vec<_> = jobs.iter().filter_map(|job| job.due_at).collect();
        dues.sort_unstable();
        dues
    };
    let first = due().await[0];
    let over = Duration::from_secs(600);
    let end = case.now() + over + Duration::from_secs(10);
    let batch = case.run(BatchAction::Spread { over }, case.waiting_here()).await;
    // The job that is due tomorrow is outside of the span.
    assert_eq!((batch.done, batch.skipped), (MANY as u64, 1), "{batch:?}");
    let dues = due().await;
    assert_eq!(dues.len(), MANY + 1);
    assert!(dues[0] >= first && dues[MANY - 1] <= end && dues[MANY] > end);
    assert!(dues[MANY / 2].since(first) > over / 4, "the spread is not even");
    // After the spread the jobs are due at about this rate already, so the drip moves few of them.
    let batch = case.run(BatchAction::Drip { per_second: 1.0 }, case.waiting_here()).await;
    assert!(batch.done < MANY as u64 / 2, "{batch:?}");
    for window in due().await.windows(3).take(MANY - 2) {
        assert!(window[2].since(window[0]) >= Duration::from_millis(999), "{window:?}");
    }
    let task = Some(TaskName::new("another").unwrap());
    let other = WaitingFilter { queue: Some(case.queue.clone()), task, ..WaitingFilter::default() };
    let none = BatchOrder::new(BatchAction::Cancel, BatchScope::Waiting(other), "ann");
    assert!(matches!(case.client.start_batch(none).await, Err(BatchError::Nothing(_))));
    let far = case.all_waiting().await.into_iter().find(|it| it.key == case.key("far")).unwrap();
    let scope = BatchScope::Jobs(vec![BatchItem::from(&far)]);
    let batch = case.run(BatchAction::Cancel, scope).await;
    assert_eq!(batch.done, 1, "{batch:?}");
    case.expect_state("far", JobState::Cancelled).await;
    let batch = case.run(BatchAction::Release, case.waiting_here()).await;
    assert_eq!((batch.done, batch.state), (MANY as u64, BatchState::Done), "{batch:?}");
    for delivery in case.next_deliveries(&mut sub, MANY).await {
        case.complete(&delivery).await;
    }
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn live_jobs_are_cancelled_and_none_that_is_enqueued_later(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.enqueue("runs").await;
    let running = case.next_delivery(&mut sub).await;
    // The queue is paused, so that the others stay pending.
    case.transport.pause(&case.queue, case.now() + Duration::from_secs(60)).await.unwrap();
    for i in 0..MANY {
        case.enqueue(&format!("pending-{i}")).await;
    }
    case.enqueue_in("waits", Duration::from_secs(60)).await;
    let live = |state| {
        let queue = Some(case.queue.clone());
        BatchScope::Live(LiveFilter { queue, state, ..LiveFilter::default() })
    };
    let preview = case.client.preview_batch(&live(None)).await.unwrap();
    assert_eq!(preview.words, format!("{} live jobs of queue {}", MANY + 2, case.queue));
    let batch = case.start(BatchAction::Cancel, live(Some(JobState::Pending))).await;
    case.advance(BRIEF).await;
    case.enqueue("later").await;
    let batch = case.client.run_batch(&batch.id, || false).await.unwrap();
    assert_eq!(
        (batch.total, batch.done, batch.skipped),
        (MANY as u64, MANY as u64, 0),
        "{batch:?}"
    );
    for (id, state) in [
        ("pending-0", JobState::Cancelled),
        ("later", JobState::Pending),
        ("waits", JobState::Scheduled),
        ("runs", JobState::Running),
    ] {
        case.expect_state(id, state).await;
    }
    let batch = case.run(BatchAction::Cancel, live(None)).await;
    assert_eq!((batch.total, batch.done), (3, 3), "{batch:?}");
    assert_eq!(case.stale(&running).await, Some(StaleReason::Ended));
    running.handle.ack().await.unwrap();
    case.transport.resume(&case.queue).await.unwrap();
    case.expect_nothing(&mut sub, BRIEF).await;
}

pub async fn a_selection_includes_no_other_letters(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, 4, "Error").await;
    let letters = case.all_letters().await;
    case.transport.remove(&letters[1]).await.unwrap();
    let scope = BatchScope::Letters(letters[..2].iter().map(BatchItem::from).collect());
    let preview = case.client.preview_batch(&scope).await.unwrap();
    assert_eq!(preview.words, "2 selected dead letters");
    let batch = case.run(BatchAction::RequeueDead { per_second: None }, scope).await;
    assert_eq!((batch.done, batch.skipped, batch.state), (1, 1, BatchState::Done), "{batch:?}");
    let left: Vec<_> = case.all_letters().await.into_iter().map(|letter| letter.seq).collect();
    assert_eq!(left, [letters[2].seq, letters[3].seq]);
    assert_eq!(case.all_waiting().await[0].key, letters[0].key);
}

pub async fn of_two_runs_of_a_batch_one_does_the_work(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    case.letters(&mut sub, MANY, "Error").await;
    let action = BatchAction::RequeueDead { per_second: Some(1000.0) };
    let batch = case.start(action, case.dead_of(DeadFilter::default())).await;
    let (one, two) = tokio::join!(
        case.client.run_batch(&batch.id, || false),
        case.client.run_batch(&batch.id, || false)
    );
    let done = [&one, &two].into_iter().filter(|it| it.is_ok()).count();
    assert!(done >= 1, "{one:?} {two:?}");
    for run in [one, two] {
        assert!(matches!(run, Ok(_) | Err(BatchError::Busy(_))), "{run:?}");
    }
    let batch = case.client.batch(&batch.id).await.unwrap();
    assert_eq!((batch.done, batch.state), (MANY as u64, BatchState::Done), "{batch:?}");
    assert_eq!(case.all_waiting().await.len(), MANY);
}
