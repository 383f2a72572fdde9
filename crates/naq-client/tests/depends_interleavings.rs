//! A child and its parent, step by step: every order in which the two sides can go on, and a death
//! of either between any two steps.
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

/// One process: it makes a call to the broker when it is told to.
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
    /// A process that does `work` with a client and a transport of its own.
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
                let (key, life) = (&parent.stored.key, parent.step().nonce);
                client.wake_dependents(key, &life, state).await.unwrap();
            }
            parent.handle.ack().await.unwrap();
        })
    }

    fn enqueuer(&self, on: &'static [&'static str]) -> Side {
        self.side(move |client, _| async move {
            let child = client.enqueue_task("task", &()).unwrap().id("child");
            // Refused when the parent is gone; none of these tests lets it go.
            child.depends_on(on.to_vec()).await.unwrap();
        })
    }

    fn canceller(&self) -> Side {
        self.side(|client, _| async move {
            // Refused when it has ended otherwise.
            let _ = client.cancel(&key("child"), "not needed").await;
        })
    }

    /// A worker that has the child in its hands, which looks after its parents by itself.
    fn checker(&self, child: Delivery) -> Side {
        let now = self.clock.now();
        self.side(move |client, transport| async move {
            let mut job = child.envelope().unwrap();
            let fact = match client.check_dependencies(&job).await.unwrap() {
                // It would run now: to the test, it has started.
                Verdict::Run => return,
                Verdict::Cancel(_) => {
                    let (state, finished_at) = (JobState::Cancelled, now);
                    let record = FinalRecord { envelope: job, state, finished_at, result: None };
                    Fact::record(&child.stored, &record).unwrap().unwrap()
                }
                Verdict::Wait => {
                    let until = Dependencies::next_check(1, now, None);
                    let mut held = AttemptRecord::new(1, AttemptOutcome::HeldBack);
                    held.rule = Some(Rule::Dependencies);
                    job.record(held);
                    job.snoozes += 1;
                    Fact::retry(&child.stored, &job, until).unwrap()
                }
            };
            if transport.write(&fact).await.unwrap() != Written::Fenced {
                child.handle.ack().await.unwrap();
                client.release_if_met(&child.envelope().unwrap()).await.unwrap();
            }
        })
    }

    /// Everything that the broker holds of the child.
    async fn places(&self) -> Vec<Place> {
        use naq_core::transport::Lookup;
        let found = self.broker.locate(&key("child")).await.unwrap();
        found.iter().map(|stored| stored.place).collect()
    }

    async fn state(&self) -> JobState {
        self.client.report(&key("child")).await.unwrap().state
    }

    /// Lets the child look after its parents until it waits no longer: what a worker does with it.
    async fn heal(&self, deliveries: &mut Box<dyn Subscription>) -> Option<Delivery> {
        for _ in 0..3 {
            self.clock.advance(Duration::from_secs(601)).await;
            let mut fetched = deliveries.fetch(10, Duration::ZERO).await.unwrap();
            fetched.retain(|delivery| delivery.stored.key == key("child"));
            let Some(child) = fetched.pop() else { continue };
            assert!(fetched.is_empty(), "the child is delivered twice");
            let side = self.checker(child.clone());
            for _ in 0..100 {
                side.step().await;
            }
            assert!(side.is_done());
            if self.places().await.contains(&Place::Queue) {
                return Some(child);
            }
        }
        None
    }
}

/// How often the turn may pass from one side to the other while both could go on: more passes find
/// nothing new (five were tried), and there are very many.
const PASSES: usize = 3;

/// Runs `make`'s sides in every order of their calls. Says how many orders there were.
async fn in_every_order<F, G>(make: impl Fn() -> F, check: impl Fn(World, Vec<usize>) -> G) -> usize
where
    F: Future<Output = (World, [Side; 2])>,
    G: Future<Output = ()>,
{
    let (mut passes, mut orders): (Vec<bool>, usize) = (Vec::new(), 0);
    loop {
        let (world, sides) = make().await;
        // Where both could go on: whether the turn passed. The first choice is who begins.
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
            assert!(order.len() < 200, "it does not come to an end");
        }
        for side in sides {
            side.task.await.unwrap();
        }
        check(world, order).await;
        orders += 1;
        // The next order: the last choice that can be another.
        let may_pass = |at: &usize| {
            !choices[*at] && choices[..*at].iter().filter(|pass| **pass).count() < PASSES
        };
        let Some(last) = (0..choices.len()).rev().find(may_pass) else { return orders };
        passes = choices[..last].to_vec();
        passes.push(true);
    }
}

/// The child runs or is cancelled, as its parent's end says, once, without anybody's looking again.
async fn decided(world: World, state: JobState, order: Vec<usize>) {
    let (places, found) = (world.places().await, world.state().await);
    let as_it_should = match state {
        // Running where the worker that looked by itself may go on with it.
        JobState::Completed => {
            places == [Place::Queue] && matches!(found, JobState::Pending | JobState::Running)
        }
        _ => places == [Place::Record] && found == JobState::Cancelled,
    };
    assert!(as_it_should, "{found} in {places:?} after {state}: {order:?}");
}

#[tokio::test]
async fn a_child_enqueued_before_while_or_after_its_parent_ends_is_decided_once() {
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
        // Wherever the one call that ends the parent falls among those of the enqueue.
        assert!(orders >= 5, "{orders} orders");
    }
}

#[tokio::test]
async fn two_parents_that_end_at_once_let_their_child_go_once() {
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
                let child = world.client.enqueue_task("task", &()).unwrap().id("child");
                child.depends_on(["a", "b"]).await.unwrap();
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
async fn a_child_that_looks_by_itself_while_its_parent_ends_is_decided_once() {
    for state in [JobState::Completed, JobState::Cancelled] {
        let orders = in_every_order(
            || async {
                let world = World::new();
                let mut deliveries = world.open().await;
                world.enqueue("a").await;
                let parent = world.take(&mut deliveries, "a").await;
                let child = world.client.enqueue_task("task", &()).unwrap().id("child");
                child.depends_on("a").await.unwrap();
                world.clock.advance(Duration::from_secs(60)).await;
                // The parent's lease is not what this is about.
                let due = deliveries.fetch(10, Duration::ZERO).await.unwrap();
                let child = due.into_iter().find(|it| it.stored.key == key("child")).unwrap();
                let sides = [world.checker(child), world.finisher(parent, state)];
                (world, sides)
            },
            |world, order| decided(world, state, order),
        )
        .await;
        assert!(orders > 20, "{orders} orders");
    }
}

#[tokio::test]
async fn a_child_that_is_cancelled_while_its_parent_ends_has_one_end() {
    let orders = in_every_order(
        || async {
            let world = World::new();
            let mut deliveries = world.open().await;
            world.enqueue("a").await;
            let parent = world.take(&mut deliveries, "a").await;
            let child = world.client.enqueue_task("task", &()).unwrap().id("child");
            child.depends_on("a").await.unwrap();
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

/// How a death came about.
#[derive(Debug, Clone, Copy)]
struct Death {
    parent: JobState,
    of_enqueuer: bool,
    /// Before the other side begins, or after it has done all that it does.
    first: bool,
    /// After so many calls.
    calls: usize,
}

/// True if it had not done all that it does.
async fn die(death: Death) -> bool {
    let world = World::new();
    let mut deliveries = world.open().await;
    world.enqueue("a").await;
    let parent = world.take(&mut deliveries, "a").await;
    let mut sides = [world.enqueuer(&["a"]), world.finisher(parent, death.parent)];
    if !death.of_enqueuer {
        sides.reverse();
    }
    let [dying, other] = sides;
    let mut turns = [(&dying, death.calls), (&other, 100)];
    if !death.first {
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
        assert!(death.of_enqueuer && death.calls < 2, "{death:?}: the child is lost");
        return died;
    }
    let ran = world.heal(&mut deliveries).await.is_some();
    let expected = match death.parent {
        // The parent has not ended.
        _ if !death.of_enqueuer && death.calls == 0 => (false, JobState::Blocked),
        JobState::Completed => (true, JobState::Running),
        _ => (false, JobState::Cancelled),
    };
    assert_eq!((ran, world.state().await), expected, "{death:?}");
    died
}

#[tokio::test]
async fn a_death_of_either_side_between_any_two_calls_is_healed_by_the_childs_own_look() {
    let mut deaths = 0;
    for parent in [JobState::Completed, JobState::Dead] {
        for (of_enqueuer, first) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut calls = 0;
            while die(Death { parent, of_enqueuer, first, calls }).await {
                calls += 1;
            }
            deaths += calls;
        }
    }
    assert!(deaths > 30, "{deaths} deaths");
}
