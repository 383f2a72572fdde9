//! Laws that hold for every breaker, with any events in any order.
#![cfg(feature = "jobs")]

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::breaker::{
    BreakerConfig, BreakerEvent, BreakerState, MayStart, Phase, Window, may_start, step,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// An event of the test.
#[derive(Debug, Clone)]
enum Happens {
    /// A caller asks, and starts the call if it may.
    Ask { share: f64 },
    /// The oldest call ends.
    Ends { success: bool },
    /// The process of the oldest call dies.
    Dies,
    /// Time passes.
    Passes(u64),
    /// The clock is set back.
    SetBack(u64),
    /// An operator opens the breaker, with or without an end.
    Open(Option<u64>),
    /// An operator closes the breaker.
    Close,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0.0..1.0).prop_map(|share| Happens::Ask { share }),
        4 => any::<bool>().prop_map(|success| Happens::Ends { success }),
        1 => Just(Happens::Dies),
        4 => (0_u64..40_000).prop_map(Happens::Passes),
        1 => (0_u64..100_000_000).prop_map(Happens::SetBack),
        1 => option::of(0_u64..100_000).prop_map(Happens::Open),
        1 => Just(Happens::Close),
    ]
}

fn config() -> impl Strategy<Value = BreakerConfig> {
    let ratio = option::of((0.01..=1.0, 1_u32..20));
    (1_u32..6, ratio, 10_u64..60_000, 1_u64..60_000, 1_u32..4, 1_u32..4, 0_u64..60_000).prop_map(
        |(failures, ratio, window, open_for, probes, successes, recovery)| {
            let config = BreakerConfig::new()
                .failures(failures)
                .window(ms(window))
                .open_for(ms(open_for))
                .probes(probes)
                .successes(successes)
                .recovery(ms(recovery));
            ratio.map_or(config.clone(), |(share, calls)| config.failure_ratio(share, calls))
        },
    )
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const PROBE_LEASE: Duration = Duration::from_secs(10);

/// A breaker, and the calls that run under it.
struct World {
    config: BreakerConfig,
    state: BreakerState,
    now: Timestamp,
    /// Ids of probes, or for plain calls when the breaker had last opened.
    calls: Vec<Result<String, Option<Timestamp>>>,
    asked: u32,
}

impl World {
    fn new(config: BreakerConfig) -> Self {
        let (state, now) = (BreakerState::default(), Timestamp::from_millis(200_000_000));
        Self { config, state, now, calls: Vec::new(), asked: 0 }
    }

    fn step(&mut self, event: &BreakerEvent) {
        self.state = step(&self.config, &self.state, event, self.now);
    }

    fn ask(&mut self, share: f64) -> MayStart {
        if self.state.is_ahead(self.now) {
            self.state = self.state.at(&self.config, self.now);
        }
        let answer = may_start(&self.config, &self.state, self.now, share);
        self.asked += 1;
        match answer {
            MayStart::Go => self.calls.push(Err(self.state.opened_at)),
            MayStart::Probe => {
                let id = format!("call {}", self.asked);
                let until = self.now + PROBE_LEASE;
                self.step(&BreakerEvent::ProbeTaken { id: id.clone(), until });
                assert!(self.state.has_probe(&id, self.now), "offered and then not given");
                self.calls.push(Ok(id));
            }
            MayStart::Wait(_) => {}
        }
        answer
    }

    fn end(&mut self, success: bool) {
        if self.calls.is_empty() {
            return;
        }
        let event = match self.calls.remove(0) {
            Ok(id) => BreakerEvent::ProbeEnded { id, success: Some(success) },
            Err(opened_at) => {
                let mut calls = Window::default();
                calls.count(&self.config, !success, self.now);
                BreakerEvent::Counted { opened_at, calls }
            }
        };
        self.step(&event);
    }

    fn happens(&mut self, what: Happens) {
        match what {
            Happens::Ask { share } => drop(self.ask(share)),
            Happens::Ends { success } => self.end(success),
            Happens::Dies if self.calls.is_empty() => {}
            Happens::Dies => drop(self.calls.remove(0)),
            Happens::Passes(time) => self.now = self.now + ms(time),
            Happens::SetBack(time) => self.now = self.now.saturating_sub(ms(time)),
            Happens::Open(span) => {
                let until = span.map(|span| self.now + ms(span));
                self.step(&BreakerEvent::Open { until, reason: "by hand".into() });
            }
            Happens::Close => self.step(&BreakerEvent::Close),
        }
    }

    /// Probes that the breaker holds to run.
    fn probes(&self) -> usize {
        self.state.at(&self.config, self.now).phase.probes().len()
    }
}

proptest! {
    #[test]
    fn probes_are_bounded_and_nothing_starts_while_it_is_open(
        config in config(),
        most in 1_u32..4,
        story in vec(happens(), 1..120),
    ) {
        let config = config.probes(most);
        let mut world = World::new(config.clone());
        for what in story {
            let before = world.state.at(&config, world.now).phase;
            let asks = matches!(what, Happens::Ask { .. });
            let running = world.calls.len();
            world.happens(what);
            prop_assert!(world.probes() <= most as usize, "{:?}", world.state);
            if let (Phase::Open { until, by_hand, .. }, true) = (before, asks) {
                let over = !by_hand && until.is_some_and(|until| until <= world.now);
                prop_assert!(over || world.calls.len() == running, "started while open");
            }
        }
    }

    #[test]
    fn a_wait_has_an_end_that_can_be_foreseen(
        config in config(),
        story in vec(happens(), 1..60),
        share in 0.0..1.0,
    ) {
        let mut world = World::new(config.clone());
        for what in story {
            world.happens(what);
            if let MayStart::Wait(until) = may_start(&config, &world.state, world.now, share) {
                let wait = until.since(world.now);
                // Longest open, all of the recovery, and what clocks may differ.
                prop_assert!(wait >= ms(100) && wait <= ms(300_000 + 60_000 + 5_000), "{wait:?}");
            }
        }
    }

    #[test]
    fn it_closes_again_once_calls_succeed(
        config in config(),
        story in vec(happens(), 1..80),
        set_back in option::of(0_u64..100_000_000),
    ) {
        let mut world = World::new(config.clone());
        for what in story {
            world.happens(what);
        }
        world.now = world.now.saturating_sub(ms(set_back.unwrap_or(0)));
        // A breaker that an operator opened without an end stays open until an operator closes it.
        if matches!(world.state.phase, Phase::Open { until: None, .. }) {
            world.happens(Happens::Close);
        }
        // All that still runs succeeds, or its process is dead.
        while !world.calls.is_empty() {
            world.end(true);
        }
        let mut asked = 0;
        let mut rest = 400;
        while world.state.at(&config, world.now).phase.since().is_some() {
            // Like a job: it asks, and asks again at the time that it was given.
            if let MayStart::Wait(until) = world.ask(f64::from(asked % 10) / 10.0) {
                world.now = until;
            }
            world.end(true);
            asked += 1;
            rest -= 1;
            prop_assert!(rest > 0, "still {:?}", world.state);
            if world.calls.is_empty() && asked % 3 == 0 {
                world.now = world.now + ms(1_000);
            }
        }
        let closed = world.state.at(&config, world.now);
        prop_assert_eq!(closed.round, 0);
        prop_assert_eq!(may_start(&config, &closed, world.now, 1.0), MayStart::Go);
    }

    #[test]
    fn workers_that_count_apart_open_it_at_the_same_sum(
        failed in vec((0_usize..4, any::<bool>()), 1..40),
        failures in 1_u32..10,
    ) {
        let config = BreakerConfig::new().failures(failures);
        let (now, mut whole) = (Timestamp::from_millis(1_000_000), BreakerState::default());
        let mut counted = vec![Window::default(); 4];
        for (worker, failed) in failed {
            counted[worker].count(&config, failed, now);
            let event = match failed {
                true => BreakerEvent::failed(&config, &BreakerState::default(), now),
                false => BreakerEvent::succeeded(&config, &BreakerState::default(), now),
            };
            whole = step(&config, &whole, &event, now);
        }
        let merged = counted.into_iter().fold(BreakerState::default(), |state, calls| {
            step(&config, &state, &BreakerEvent::Counted { opened_at: None, calls }, now)
        });
        prop_assert_eq!(whole.phase.as_str(), merged.phase.as_str());
        if merged.phase.since().is_none() {
            prop_assert_eq!(whole, merged);
        }
    }

    #[test]
    fn a_state_survives_the_wire(config in config(), story in vec(happens(), 0..60)) {
        let mut world = World::new(config);
        for what in story {
            world.happens(what);
        }
        let text = serde_json::to_string(&world.state).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<BreakerState>(&text).expect("a state"), world.state);
    }
}

#[test]
fn a_call_that_started_before_the_opening_does_not_count_after_it() {
    let config = BreakerConfig::new().failures(1).successes(1).recovery(ms(60_000));
    let mut world = World::new(config.clone());
    world.ask(0.0);
    world.ask(0.0);
    world.end(false);
    world.now = world.now + ms(30_000);
    assert_eq!(world.ask(0.0), MayStart::Probe);
    let late = world.calls.remove(0);
    world.end(true);
    assert_eq!(world.state.phase.as_str(), "recovering");
    world.calls.push(late);
    world.end(false);
    assert_eq!(world.state.phase.as_str(), "recovering");
    // One that started since does.
    assert_eq!(world.ask(0.05), MayStart::Go);
    world.end(false);
    assert_eq!((world.state.phase.as_str(), world.state.round), ("open", 2));
}

#[test]
fn a_recovery_starts_a_growing_share_of_the_calls() {
    let config = BreakerConfig::new().recovery(ms(10_000));
    let mut world = World::new(config);
    world.happens(Happens::Open(Some(1)));
    world.now = world.now + ms(1);
    let mut gone = Vec::new();
    for _ in 0..=5 {
        let mut go = 0;
        for n in 0..1_000 {
            go += u32::from(world.ask(f64::from(n) / 1_000.0) == MayStart::Go);
        }
        gone.push(go);
        world.calls.clear();
        world.now = world.now + ms(2_000);
    }
    let percent: Vec<_> = gone.iter().map(|go| go / 10).collect();
    assert_eq!(percent, [10, 28, 46, 64, 82, 100]);
}

#[test]
fn a_probe_whose_caller_died_is_free_after_its_time() {
    let config = BreakerConfig::new().failures(1);
    let mut world = World::new(config);
    world.ask(0.0);
    world.end(false);
    world.now = world.now + ms(30_000);
    assert_eq!(world.ask(0.0), MayStart::Probe);
    assert!(matches!(world.ask(0.0), MayStart::Wait(_)));
    world.now = world.now + PROBE_LEASE;
    assert_eq!(world.ask(0.0), MayStart::Probe);
    // The first caller is alive after all. Its result does not count: another call has its place.
    world.end(false);
    assert_eq!(world.state.phase.as_str(), "half_open");
    world.end(false);
    assert_eq!(world.state.phase.as_str(), "open");
}

#[test]
fn the_stored_form_is_as_documented() {
    let text = r#"{"phase":"open","by_hand":true,"since":"2026-11-23T12:00:00Z"}"#;
    let by_hand: BreakerState = serde_json::from_str(text).expect("a state");
    let now = "2026-11-24T12:00:00Z".parse().expect("a time");
    let answer = may_start(&BreakerConfig::new(), &by_hand, now, 0.5);
    assert!(matches!(answer, MayStart::Wait(_)), "{answer:?}");

    let mut world = World::new(BreakerConfig::new().failures(2));
    world.ask(0.0);
    world.end(false);
    let counted = serde_json::json!({
        "phase": "closed", "round": 0,
        "window": { "since": "1970-01-03T07:33:20.000Z", "slots": [[199_998_000, 1, 1]] },
    });
    assert_eq!(serde_json::to_value(&world.state).expect("JSON"), counted);
    world.ask(0.0);
    world.end(false);
    let open = serde_json::json!({
        "phase": "open", "round": 1, "opened_at": "1970-01-03T07:33:20.000Z",
        "since": "1970-01-03T07:33:20.000Z", "until": "1970-01-03T07:33:50.000Z",
        "by_hand": false, "reason": "2 of 2 calls failed",
    });
    assert_eq!(serde_json::to_value(&world.state).expect("JSON"), open);
    world.now = world.now + ms(30_000);
    world.ask(0.0);
    let half_open = serde_json::json!({
        "phase": "half_open", "round": 1, "opened_at": "1970-01-03T07:33:20.000Z",
        "since": "1970-01-03T07:33:50.000Z", "successes": 0,
        "probes": [{ "id": "call 3", "until": "1970-01-03T07:34:00.000Z" }],
    });
    assert_eq!(serde_json::to_value(&world.state).expect("JSON"), half_open);
}
