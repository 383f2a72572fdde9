//! The state store: values that all workers share, by keys, with compare and set.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use naq_core::transport::{
    Expect, Saved, StateChange, StateEntry, StateKey, StateWatch, TransportError,
};
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::{BRIEF, Case};

/// Waits let time pass in steps of this.
const STEP: Duration = Duration::from_millis(50);
/// A broker reports a change within this time, even on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// A number of entries that a store should handle with ease.
const MANY: usize = 2_500;

/// One test with keys of its own.
struct StateCase<'a> {
    case: Case<'a>,
    prefix: StateKey,
}

impl<'a> StateCase<'a> {
    fn new(subject: &'a dyn Subject) -> Self {
        let case = Case::new(subject);
        let prefix = StateKey::new(["test", case.queue.as_str()]).unwrap();
        Self { case, prefix }
    }

    fn key(&self, token: &str) -> StateKey {
        self.prefix.join(token).unwrap()
    }

    async fn put(&self, token: &str, value: &'static str, expect: Expect) -> Saved {
        self.put_for(token, value, expect, None).await
    }

    async fn put_for(
        &self,
        token: &str,
        value: &'static str,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Saved {
        let value = Bytes::from_static(value.as_bytes());
        self.case.transport.state_put(&self.key(token), value, expect, ttl).await.unwrap()
    }

    /// Stores `x` under each of these keys, all at the same time.
    async fn put_at_once(&self, keys: &[StateKey], expect: Expect) -> Vec<Saved> {
        let mut puts = JoinSet::new();
        for key in keys {
            let key = key.clone();
            let transport = self.case.transport.clone();
            let value = Bytes::from_static(b"x");
            let ttl = Some(Duration::from_secs(3600));
            puts.spawn(async move { transport.state_put(&key, value, expect, ttl).await.unwrap() });
        }
        puts.join_all().await
    }

    /// Stores a value without a condition. Returns its revision.
    async fn set(&self, token: &str, value: &'static str) -> u64 {
        let Saved::Stored(revision) = self.put(token, value, Expect::Any).await else {
            panic!("{token} = {value}")
        };
        revision
    }

    async fn remove(&self, token: &str, expect: Expect) -> Saved {
        self.case.transport.state_remove(&self.key(token), expect).await.unwrap()
    }

    async fn get(&self, token: &str) -> Option<StateEntry> {
        self.case.transport.state_get(&[self.key(token)]).await.unwrap().remove(0)
    }

    async fn value(&self, token: &str) -> Option<Bytes> {
        self.get(token).await.map(|entry| entry.value)
    }

    async fn list(&self, prefix: &StateKey, page: usize) -> Vec<StateEntry> {
        let mut all = Vec::new();
        let mut from = 0;
        loop {
            let found = self.case.transport.state_list(prefix, from, page).await.unwrap();
            assert!(found.entries.len() <= page);
            all.extend(found.entries);
            match found.next {
                Some(next) if next > from => from = next,
                Some(next) => panic!("page {next} after {from}"),
                None => return all,
            }
        }
    }

    async fn watch(&self) -> Box<dyn StateWatch> {
        self.case.transport.state_watch(&self.prefix).await.unwrap()
    }

    /// The next change within `span`, if there is one.
    async fn change_within(
        &self,
        watch: &mut dyn StateWatch,
        span: Duration,
    ) -> Option<StateChange> {
        let end = self.case.now() + span;
        while self.case.now() < end {
            tokio::select! {
                biased;
                change = watch.next() => return Some(change.expect("the watch continues")),
                () = self.case.advance(STEP) => {}
            }
        }
        None
    }

    /// The next change: its last token, and its value.
    async fn next_change(&self, watch: &mut dyn StateWatch) -> (String, Option<Bytes>) {
        let change = self.change_within(watch, SOON).await.expect("a change");
        assert!(self.prefix.covers(&change.key), "{change:?}");
        assert!(change.entry.as_ref().is_none_or(|entry| entry.key == change.key));
        (change.key.tokens().last().unwrap(), change.entry.map(|entry| entry.value))
    }
}

fn value(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

pub async fn a_value_is_stored_read_replaced_and_removed(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    assert_eq!(state.get("a").await, None);
    let before = state.case.now();
    let first = state.set("a", "one").await;
    let entry = state.get("a").await.unwrap();
    assert_eq!((entry.revision, entry.value.clone()), (first, value("one").unwrap()));
    assert!(entry.stored_at.since(before) < SOON && before.since(entry.stored_at) < SOON);
    let second = state.set("a", "two").await;
    assert!(second > first, "later revisions are greater");
    assert!(state.set("b", "x").await > second, "revisions count over all keys");
    assert_eq!(state.value("a").await, value("two"));
    assert!(matches!(state.remove("a", Expect::Any).await, Saved::Stored(_)));
    assert_eq!(state.get("a").await, None);
    assert!(
        matches!(state.remove("a", Expect::Any).await, Saved::Stored(_)),
        "a second removal succeeds as well"
    );
    assert!(matches!(state.remove("never", Expect::Any).await, Saved::Stored(_)));
}

pub async fn a_value_is_stored_only_over_the_expected_revision(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    // There is no entry.
    assert_eq!(state.put("a", "x", Expect::Revision(7)).await, Saved::Conflict);
    let Saved::Stored(first) = state.put("a", "one", Expect::Absent).await else { panic!() };
    assert_eq!(state.put("a", "x", Expect::Absent).await, Saved::Conflict);
    assert_eq!(
        state.put("a", "one", Expect::Absent).await,
        Saved::Conflict,
        "not even the same value"
    );
    let Saved::Stored(second) = state.put("a", "two", Expect::Revision(first)).await else {
        panic!()
    };
    assert_eq!(state.put("a", "x", Expect::Revision(first)).await, Saved::Conflict);
    // The revision of another key does not count.
    let other = state.set("b", "x").await;
    assert_eq!(state.put("a", "x", Expect::Revision(other)).await, Saved::Conflict);
    assert_eq!(state.remove("a", Expect::Revision(first)).await, Saved::Conflict);
    assert_eq!(state.remove("a", Expect::Absent).await, Saved::Conflict);
    assert_eq!(state.value("a").await, value("two"));
    assert!(matches!(state.remove("a", Expect::Revision(second)).await, Saved::Stored(_)));
    // A removed entry is absent, even for a writer that knows its revision.
    assert_eq!(state.put("a", "x", Expect::Revision(second)).await, Saved::Conflict);
    assert_eq!(state.remove("a", Expect::Revision(second)).await, Saved::Conflict);
    let Saved::Stored(third) = state.put("a", "three", Expect::Absent).await else { panic!() };
    assert!(third > second);
    assert_eq!(state.value("a").await, value("three"));
}

pub async fn of_many_writers_with_the_same_expectation_one_stores(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    let mut expect = Expect::Absent;
    for _ in 0..3 {
        let saved = state.put_at_once(&vec![state.key("a"); 8], expect).await;
        let mut stored = saved.into_iter().filter_map(|saved| match saved {
            Saved::Stored(revision) => Some(revision),
            Saved::Conflict => None,
        });
        expect = Expect::Revision(stored.next().expect("one of them"));
        assert_eq!(stored.next(), None, "only one is stored");
    }
}

pub async fn a_value_expires_after_its_ttl(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    // Rounded up to a whole second.
    let ttl = Some(Duration::from_millis(700));
    let stored = state.put_for("a", "one", Expect::Absent, ttl).await;
    assert!(matches!(stored, Saved::Stored(_)));
    state.put_for("kept", "one", Expect::Any, ttl).await;
    state.set("kept", "two").await;
    state.put_for("longer", "one", Expect::Any, ttl).await;
    state.put_for("longer", "two", Expect::Any, Some(Duration::from_secs(60))).await;
    assert_eq!(state.value("a").await, value("one"));
    let end = state.case.now() + SOON;
    while state.get("a").await.is_some() {
        assert!(state.case.now() < end, "it does not expire");
        state.case.advance(STEP).await;
    }
    // A value that replaced it has its own TTL, or none.
    state.case.advance(Duration::from_secs(1)).await;
    assert_eq!(state.value("kept").await, value("two"));
    assert_eq!(state.value("longer").await, value("two"));
    // An expired entry is absent: another one can be stored, with its own TTL.
    let again = state.put_for("a", "two", Expect::Absent, Some(Duration::from_secs(60))).await;
    assert!(matches!(again, Saved::Stored(_)), "{again:?}");
    state.case.advance(Duration::from_secs(2)).await;
    assert_eq!(state.value("a").await, value("two"), "its own TTL, and not that of the last value");
}

pub async fn an_empty_value_and_one_too_large_are_refused(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    let put = |value| async {
        let key = state.key("a");
        state.case.transport.state_put(&key, value, Expect::Any, None).await
    };
    let refused = put(Bytes::new()).await;
    assert!(matches!(refused, Err(TransportError::Rejected { .. })), "{refused:?}");
    let most = state.case.transport.broker().await.unwrap().max_payload;
    let refused = put(Bytes::from(vec![b'x'; most + 1])).await;
    assert!(matches!(refused, Err(TransportError::TooLarge { .. })), "{refused:?}");
    assert_eq!(state.get("a").await, None);
}

pub async fn many_keys_are_read_at_once_in_their_order(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    for (token, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        state.set(token, value).await;
    }
    state.remove("b", Expect::Any).await;
    let keys = ["c", "none", "a", "b", "a"].map(|token| state.key(token));
    let found = state.case.transport.state_get(&keys).await.unwrap();
    let values: Vec<_> = found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect();
    assert_eq!(values, [value("3"), None, value("1"), None, value("1")]);
    assert_eq!(state.case.transport.state_get(&[]).await.unwrap(), []);
}

pub async fn a_list_has_all_keys_below_the_prefix_oldest_first_in_pages(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    for token in ["a", "b", "c", "d", "e"] {
        state.set(token, "1").await;
    }
    state.set("a", "2").await;
    state.remove("c", Expect::Any).await;
    // Neither the prefix itself, nor a key that only starts with the same letters.
    let transport = &state.case.transport;
    let beside: StateKey = format!("{}-x.a", state.prefix).parse().unwrap();
    for key in [&state.prefix, &beside, &state.key("b").join("deep").unwrap()] {
        transport.state_put(key, Bytes::from_static(b"x"), Expect::Any, None).await.unwrap();
    }
    for page in [1, 2, 100] {
        let found = state.list(&state.prefix, page).await;
        let found: Vec<_> = found.iter().map(|e| e.key.tokens().last().unwrap()).collect();
        assert_eq!(found, ["b", "d", "e", "a", "deep"], "{page} a page");
    }
    let below = state.list(&state.key("b"), 10).await;
    assert_eq!(below.len(), 1, "{below:?}");
    assert_eq!(state.list(&state.key("none"), 10).await, []);
}

pub async fn keys_of_any_text_stay_apart(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    let texts = ["a.b", "a", "a b", "*", ">", "$JS", "ä\u{1f600}", "=2E", "%", "a\r\nb", "A"];
    for (n, text) in texts.iter().enumerate() {
        let key = state.key(text);
        let value = Bytes::from(n.to_string());
        let saved = state.case.transport.state_put(&key, value, Expect::Absent, None).await;
        assert!(matches!(saved, Ok(Saved::Stored(_))), "{text}: {saved:?}");
    }
    let found = state.list(&state.prefix, 100).await;
    let found: HashMap<_, _> =
        found.into_iter().map(|e| (e.key.tokens().last().unwrap(), e.value)).collect();
    assert_eq!(found.len(), texts.len());
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(found[*text], n.to_string().as_bytes(), "{text}");
    }
}

pub async fn a_watch_reports_existing_entries_and_then_each_change(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    state.set("a", "old").await;
    state.set("b", "1").await;
    let revision = state.set("a", "2").await;
    let mut watch = state.watch().await;
    let watch = &mut *watch;
    assert_eq!(state.next_change(watch).await, ("b".into(), value("1")));
    let change = state.change_within(watch, SOON).await.unwrap();
    let entry = change.entry.unwrap();
    assert_eq!(Some(entry.clone()), state.get("a").await, "as it is stored");
    assert_eq!(entry.revision, revision);
    assert_eq!(state.change_within(watch, BRIEF).await, None, "nothing has changed");
    // A reported revision can be used to compare and set.
    let put = state.put("a", "3", Expect::Revision(revision)).await;
    assert!(matches!(put, Saved::Stored(_)));
    assert_eq!(state.next_change(watch).await, ("a".into(), value("3")));
    state.remove("b", Expect::Any).await;
    assert_eq!(state.next_change(watch).await, ("b".into(), None));
    // The watch reports no keys outside of its prefix.
    let transport = &state.case.transport;
    let put = transport.state_put(&state.prefix, Bytes::from_static(b"x"), Expect::Any, None);
    put.await.unwrap();
    state.set("c", "4").await;
    assert_eq!(state.next_change(watch).await, ("c".into(), value("4")));
}

pub async fn a_watch_reports_expired_entries(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    let ttl = Some(Duration::from_secs(3));
    state.put_for("before", "1", Expect::Any, ttl).await;
    let mut watch = state.watch().await;
    let watch = &mut *watch;
    assert_eq!(state.next_change(watch).await, ("before".into(), value("1")));
    assert_eq!(state.next_change(watch).await, ("before".into(), None));
    state.put_for("after", "2", Expect::Absent, ttl).await;
    assert_eq!(state.next_change(watch).await, ("after".into(), value("2")));
    assert_eq!(state.next_change(watch).await, ("after".into(), None));
    assert_eq!(state.get("after").await, None, "as the watch reported");
    // The marker of an expired entry is not reported.
    assert_eq!(state.change_within(watch, Duration::from_secs(3)).await, None);
}

pub async fn a_watch_that_is_dropped_and_opened_again_misses_nothing(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    let mut watch = state.watch().await;
    state.set("a", "1").await;
    assert_eq!(state.next_change(&mut *watch).await, ("a".into(), value("1")));
    drop(watch);
    state.set("a", "2").await;
    state.set("b", "1").await;
    let mut watch = state.watch().await;
    assert_eq!(state.next_change(&mut *watch).await, ("a".into(), value("2")));
    assert_eq!(state.next_change(&mut *watch).await, ("b".into(), value("1")));
}

pub async fn thousands_of_entries_are_stored_listed_and_watched(subject: &dyn Subject) {
    let state = StateCase::new(subject);
    let keys: Vec<_> = (0..MANY).map(|n| state.key(&format!("k{n}"))).collect();
    let transport = &state.case.transport;
    for chunk in keys.chunks(250) {
        let saved = state.put_at_once(chunk, Expect::Absent).await;
        assert!(saved.iter().all(|saved| matches!(saved, Saved::Stored(_))), "{saved:?}");
    }
    let found = transport.state_get(&keys).await.unwrap();
    assert!(found.iter().zip(&keys).all(|(e, k)| e.as_ref().is_some_and(|e| e.key == *k)));
    assert_eq!(state.list(&state.prefix, 1000).await.len(), MANY);
    let mut watch = state.watch().await;
    for _ in 0..MANY {
        assert_eq!(state.next_change(&mut *watch).await.1, value("x"));
    }
}
