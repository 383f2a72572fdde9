//! A dependent and its parent, step by step: every order of the steps of both sides, and a crash of
//! either side between any two steps.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/world.rs"]
mod world;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::flow::{Dependencies, Verdict};
use naq_core::retry::Rule;
use naq_core::testing::FaultyTransport;
use naq_core::transport::{
    Consumer, Delivery, Fact, JobKey, Place, Settler, Subscription, Written,
};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Clock, FinalRecord, JobId, JobState, QueueName};
use naq_memory::MemoryTransport;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);

fn key(id: &str) -> JobKey {
    JobKey { queue: QueueName::default(), id: JobId::new(id).unwrap() }
}

/// One process. It makes its next call to the broker when the test says so.
struct Side {
    steps: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Side {
    async fn step(&self) {
        self.steps.add_permits(1);
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    fn is_done(&self) -> bool {
        self.task.is_finished()
    }
}

impl World {
    /// A process that does `work` with its own client and transport.
    fn side<F, W>(&self, work: W) -> Side
    where
        F: Future<Output = ()> + Send + 'static,
        W: FnOnce(Client, Arc<FaultyTransport<MemoryTransport>>) -> F,
    {
        let steps = Arc::new(Semaphore::new(0));
        let transport = Arc::new(FaultyTransport::in_steps(self.broker.clone(), steps.clone()));
        let client = Client::new(transport.clone()).clock(Arc::new(self.clock.clone()));
        Side { steps, task: tokio::spawn(work(client, transport)) }
    }

    async fn open(&self) -> Box<dyn Subscription> {
        self.broker.subscribe(&QueueName::default(), LEASE).await.unwrap()
    }

    async fn enqueue(&self, id: &str) {
        self.client.enqueue_task("task", &()).unwrap().id(id).await.unwrap();
    }

    async fn take(&self, from: &mut Box<dyn Subscription>, id: &str) -> Delivery {
        let delivery = from.fetch(1, Duration::ZERO).await.unwrap().remove(0);
        assert_eq!(delivery.stored.key, key(id));
        delivery
    }

    /// A worker that has run `parent`, and settles it as `state`.
    fn finisher(&self, parent: Delivery, state: JobState) -> Side {
        let now = self.clock.now();
        self.side(move |client, transport| async move {
            let envelope = parent.envelope().unwrap();
            let record = FinalRecord { envelope, state, finished_at: now, result: None };
            let fact = Fact::record(&parent.stored, &record).unwrap().unwrap();
            if transport.write(&fact).await.unwrap() == Written::Awaited {
                let key = &parent.stored.key;
                let life = parent.step().nonce;
                client.wake_dependents(key, &life, state).await.unwrap();
            }
            parent.handle.ack().await.unwrap();
        })
    }

    fn enqueuer(&self, on: &'static [&'static str]) -> Side {
        self.side(move |client, _| async move {
            let dependent = client.enqueue_task("task", &()).unwrap().id("dependent");
            // Refused when the parent is unknown, which does not happen in these tests.
            dependent.depends_on(on.to_vec()).await.unwrap();
        })
    }

    fn canceller(&self) -> Side {
        self.side(|client, _| async move {
            // Refused when it has another end.
            let _ = client.cancel(&key("dependent"), "not needed").await;
        })
    }

    /// A worker that got the dependent, and checks its parents.
    fn checker(&self, dependent: Delivery) -> Side {
        let now = self.clock.now();
        self.side(move |client, transport| async move {
            let mut job = dependent.envelope().unwrap();
            let fact = match client.check_dependencies(&job).await.unwrap() {
                // The job would run now; for the test, it has started.
                Verdict::Run => return,
                Verdict::Cancel(_) => {
                    let state = JobState::Cancelled;
                    let finished_at = now;
                    let record = FinalRecord { envelope: job, state, finished_at, result: None };
                    Fact::record(&dependent.stored, &record).unwrap().unwrap()
                }
                Verdict::Wait => {
                    let until = Dependencies::next_check(1, now, None);
                    let mut held = AttemptRecord::new(1, AttemptOutcome::HeldBack);
                    held.rule = Some(Rule::Dependencies);
                    job.record(held);
                    job.snoozes += 1;
                    Fact::retry(&dependent.stored, &job, until).unwrap()
                }
            };
            if transport.write(&fact).await.unwrap() != Written::Fenced {
                dependent.handle.ack().await.unwrap();
                client.release_if_met(&dependent.envelope().unwrap()).await.unwrap();
            }
        })
    }

    /// The places of all messages of the dependent.
    async fn places(&self) -> Vec<Place> {
        use naq_core::transport::Lookup;
        let found = self.broker.locate(&key("dependent")).await.unwrap();
        found.iter().map(|stored| stored.place).collect()
    }

    async fn state(&self) -> JobState {
        self.client.report(&key("dependent")).await.unwrap().state
    }

    /// Checks the dependent until it no longer waits, as a worker does.
    async fn check_until_decided(
        &self,
        deliveries: &mut Box<dyn Subscription>,
    ) -> Option<Delivery> {
        for _ in 0..3 {
            self.clock.advance(Duration::from_secs(601)).await;
            let mut fetched = deliveries.fetch(10, Duration::ZERO).await.unwrap();
            fetched.retain(|delivery| delivery.stored.key == key("dependent"));
            let Some(dependent) = fetched.pop() else { continue };
            assert!(fetched.is_empty(), "the dependent is delivered twice");
            let side = self.checker(dependent.clone());
            for _ in 0..100 {
                side.step().await;
            }
            assert!(side.is_done());
            if self.places().await.contains(&Place::Queue) {
                return Some(dependent);
            }
        }
        None
    }
}

/// How often one side may stop and the other continue, while both have steps left. More switches find
/// nothing new (five were tried), and make very many orders.
const PASSES: usize = 3;

/// Runs the sides that `make` returns in every order of their calls. Returns the number of orders.
async fn in_every_order<F, G>(make: impl Fn() -> F, check: impl Fn(World, Vec<usize>) -> G) -> usize
where
    F: Future<Output = (World, [Side; 2])>,
    G: Future<Output = ()>,
{
    let (mut passes, mut orders): (Vec<bool>, usize) = (Vec::new(), 0);
    loop {
        let (world, sides) = make().await;
        // For each step at which both sides could continue: whether the side changed. The first choice
        // is the side that starts.
        let (mut choices, mut turn, mut order) = (Vec::new(), 0, Vec::new());
        loop {
            turn = match (sides[0].is_done(), sides[1].is_done()) {
                (true, true) => break,
                (true, false) => 1,
                (false, true) => 0,
                (false, false) => {
                    let pass = passes.get(choices.len()).copied().unwrap_or(false);
                    choices.push(pass);
                    if pass { 1 - turn } else { turn }
                }
            };
            order.push(turn);
            sides[turn].step().await;
            assert!(order.len() < 200, "the sides do not finish");
        }
        for side in sides {
            side.task.await.unwrap();
        }
        check(world, order).await;
        orders += 1;
        // The next order: change the last choice that can change.
        let may_pass = |at: &usize| {
            !choices[*at] && choices[..*at].iter().filter(|pass| **pass).count() < PASSES
        };
        let Some(last) = (0..choices.len()).rev().find(may_pass) else { return orders };
        passes = choices[..last].to_vec();
        passes.push(true);
    }
}

/// The dependent runs or is cancelled once, as its parent's end demands, without another check.
async fn decided(world: World, state: JobState, order: Vec<usize>) {
    let places = world.places().await;
    let found = world.state().await;
    let is_expected = match state {
        // Running, if a worker has checked it and may run it.
        JobState::Completed => {
            places == [Place::Queue] && matches!(found, JobState::Pending | JobState::Running)
        }
        _ => places == [Place::Record] && found == JobState::Cancelled,
    };
    assert!(is_expected, "{found} in {places:?} after {state}: {order:?}");
}

#[tokio::test]
async fn a_dependent_enqueued_before_during_or_after_its_parents_end_is_decided_once() {
    for state in [JobState::Completed, JobState::Dead] {
        let orders = in_every_order(
            || async {
                let world = World::new();
                let mut deliveries = world.open().await;
                world.enqueue("a").await;
                let parent = world.take(&mut deliveries, "a").await;
                let sides = [world.enqueuer(&["a"]), world.finisher(parent, state)];
                (world, sides)
            },
            |world, order| decided(world, state, order),
        )
        .await;
        // The one call that ends the parent comes before, between or after those of the enqueue.
        assert!(orders >= 5, "{orders} orders");
    }
}

#[tokio::test]
async fn two_parents_that_end_at_once_release_their_dependent_once() {
    for (first, second) in [
        (JobState::Completed, JobState::Completed),
        (JobState::Completed, JobState::Expired),
        (JobState::Dead, JobState::Dead),
    ] {
        let orders = in_every_order(
            || async {
                let world = World::new();
                let mut deliveries = world.open().await;
                for id in ["a", "b"] {
                    world.enqueue(id).await;
                }
                let a = world.take(&mut deliveries, "a").await;
                let b = world.take(&mut deliveries, "b").await;
                let dependent = world.client.enqueue_task("task", &()).unwrap().id("dependent");
                dependent.depends_on(["a", "b"]).await.unwrap();
                let sides = [world.finisher(a, first), world.finisher(b, second)];
                (world, sides)
            },
            |world, order| decided(world, first.max(second), order),
        )
        .await;
        assert!(orders > 100, "{orders} orders");
    }
}

#[tokio::test]
async fn a_dependent_that_is_checked_while_its_parent_ends_is_decided_once() {
    for state in [JobState::Completed, JobState::Cancelled] {
        let orders = in_every_order(
            || async {
                let world = World::new();
                let mut deliveries = world.open().await;
                world.enqueue("a").await;
                let parent = world.take(&mut deliveries, "a").await;
                let dependent = world.client.enqueue_task("task", &()).unwrap().id("dependent");
                dependent.depends_on("a").await.unwrap();
                world.clock.advance(Duration::from_secs(60)).await;
                // The lease of the parent must not expire here.
                let due = deliveries.fetch(10, Duration::ZERO).await.unwrap();
                let dependent =
                    due.into_iter().find(|it| it.stored.key == key("dependent")).unwrap();
                let sides = [world.checker(dependent), world.finisher(parent, state)];
                (world, sides)
            },
            |world, order| decided(world, state, order),
        )
        .await;
        assert!(orders > 20, "{orders} orders");
    }
}

#[tokio::test]
async fn a_dependent_that_is_cancelled_while_its_parent_ends_has_one_end() {
    let orders = in_every_order(
        || async {
            let world = World::new();
            let mut deliveries = world.open().await;
            world.enqueue("a").await;
            let parent = world.take(&mut deliveries, "a").await;
            let dependent = world.client.enqueue_task("task", &()).unwrap().id("dependent");
            dependent.depends_on("a").await.unwrap();
            let sides = [world.canceller(), world.finisher(parent, JobState::Completed)];
            (world, sides)
        },
        |world, order| async move {
            assert_eq!(world.places().await, [Place::Record], "{order:?}");
            assert_eq!(world.state().await, JobState::Cancelled, "{order:?}");
        },
    )
    .await;
    assert!(orders > 20, "{orders} orders");
}

/// A crash of one side.
#[derive(Debug, Clone, Copy)]
struct Crash {
    parent: JobState,
    of_enqueuer: bool,
    /// Whether it crashes before the other side starts, or after the other side has finished.
    first: bool,
    /// The number of its calls before the crash.
    calls: usize,
}

/// Runs the crash. True if the side had calls left.
async fn run_crash(crash: Crash) -> bool {
    let world = World::new();
    let mut deliveries = world.open().await;
    world.enqueue("a").await;
    let parent = world.take(&mut deliveries, "a").await;
    let mut sides = [world.enqueuer(&["a"]), world.finisher(parent, crash.parent)];
    if !crash.of_enqueuer {
        sides.reverse();
    }
    let [dying, other] = sides;
    let mut turns = [(&dying, crash.calls), (&other, 100)];
    if !crash.first {
        turns.reverse();
    }
    for (side, calls) in turns {
        for _ in 0..calls {
            side.step().await;
        }
    }
    let died = !dying.is_done();
    dying.task.abort();
    if world.places().await.is_empty() {
        assert!(crash.of_enqueuer && crash.calls < 2, "{crash:?}: the dependent is lost");
        return died;
    }
    let ran = world.check_until_decided(&mut deliveries).await.is_some();
    let expected = match crash.parent {
        // The parent has not ended.
        _ if !crash.of_enqueuer && crash.calls == 0 => (false, JobState::Blocked),
        JobState::Completed => (true, JobState::Running),
        _ => (false, JobState::Cancelled),
    };
    assert_eq!((ran, world.state().await), expected, "{crash:?}");
    died
}

#[tokio::test]
async fn a_crash_of_either_side_between_any_two_calls_is_repaired_by_a_check() {
    let mut crashes = 0;
    for parent in [JobState::Completed, JobState::Dead] {
        for (of_enqueuer, first) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut calls = 0;
            while run_crash(Crash { parent, of_enqueuer, first, calls }).await {
                calls += 1;
            }
            crashes += calls;
        }
    }
    assert!(crashes > 30, "{crashes} crashes");
}
