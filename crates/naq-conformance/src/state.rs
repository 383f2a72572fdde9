//! What all workers share: values under keys, compared and set by their revisions.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use naq_core::transport::{
    Expect, Saved, StateChange, StateEntry, StateKey, StateWatch, TransportError,
};
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::{BRIEF, Case};

/// Time passes in steps of this.
const STEP: Duration = Duration::from_millis(50);
/// What a broker has to tell is told within this, whatever else the machine does.
const SOON: Duration = Duration::from_secs(10);
/// Entries that nobody finds many.
const MANY: usize = 2_500;

/// The words that these behaviours are written in: one case's own keys.
struct Shared<'a> {
    case: Case<'a>,
    prefix: StateKey,
}

impl<'a> Shared<'a> {
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

    /// Stores `x` under each of these keys, all at once.
    async fn put_at_once(&self, keys: &[StateKey], expect: Expect) -> Vec<Saved> {
        let mut puts = JoinSet::new();
        for key in keys {
            let key = key.clone();
            let (transport, value) = (self.case.transport.clone(), Bytes::from_static(b"x"));
            let ttl = Some(Duration::from_secs(3600));
            puts.spawn(async move { transport.state_put(&key, value, expect, ttl).await.unwrap() });
        }
        puts.join_all().await
    }

    /// Stores what must be possible to store, and gives the revision.
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
        let (mut all, mut from) = (Vec::new(), 0);
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

    /// What is told within `span`, if anything is.
    async fn told_within(&self, watch: &mut dyn StateWatch, span: Duration) -> Option<StateChange> {
        let end = self.case.now() + span;
        while self.case.now() < end {
            tokio::select! {
                biased;
                change = watch.next() => return Some(change.expect("the watch goes on")),
                () = self.case.pass(STEP) => {}
            }
        }
        None
    }

    /// The next change: its last token, and its value.
    async fn told(&self, watch: &mut dyn StateWatch) -> (String, Option<Bytes>) {
        let change = self.told_within(watch, SOON).await.expect("a change is told");
        assert!(self.prefix.covers(&change.key), "{change:?}");
        assert!(change.entry.as_ref().is_none_or(|entry| entry.key == change.key));
        (change.key.tokens().last().unwrap(), change.entry.map(|entry| entry.value))
    }
}

fn value(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

pub async fn a_value_is_stored_read_replaced_and_removed(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    assert_eq!(shared.get("a").await, None);
    let before = shared.case.now();
    let first = shared.set("a", "one").await;
    let entry = shared.get("a").await.unwrap();
    assert_eq!((entry.revision, entry.value.clone()), (first, value("one").unwrap()));
    assert!(entry.stored_at.since(before) < SOON && before.since(entry.stored_at) < SOON);
    let second = shared.set("a", "two").await;
    assert!(second > first, "later revisions are greater");
    assert!(shared.set("b", "x").await > second, "over all keys");
    assert_eq!(shared.value("a").await, value("two"));
    assert!(matches!(shared.remove("a", Expect::Any).await, Saved::Stored(_)));
    assert_eq!(shared.get("a").await, None);
    assert!(matches!(shared.remove("a", Expect::Any).await, Saved::Stored(_)), "gone is gone");
    assert!(matches!(shared.remove("never", Expect::Any).await, Saved::Stored(_)));
}

pub async fn a_value_is_stored_only_over_what_is_expected(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    // Nothing there.
    assert_eq!(shared.put("a", "x", Expect::Revision(7)).await, Saved::Conflict);
    let Saved::Stored(first) = shared.put("a", "one", Expect::Absent).await else { panic!() };
    assert_eq!(shared.put("a", "x", Expect::Absent).await, Saved::Conflict);
    assert_eq!(shared.put("a", "one", Expect::Absent).await, Saved::Conflict, "nor the same");
    let Saved::Stored(second) = shared.put("a", "two", Expect::Revision(first)).await else {
        panic!()
    };
    assert_eq!(shared.put("a", "x", Expect::Revision(first)).await, Saved::Conflict);
    // A revision of another key is none of this one.
    let other = shared.set("b", "x").await;
    assert_eq!(shared.put("a", "x", Expect::Revision(other)).await, Saved::Conflict);
    assert_eq!(shared.remove("a", Expect::Revision(first)).await, Saved::Conflict);
    assert_eq!(shared.remove("a", Expect::Absent).await, Saved::Conflict);
    assert_eq!(shared.value("a").await, value("two"));
    assert!(matches!(shared.remove("a", Expect::Revision(second)).await, Saved::Stored(_)));
    // Removed is absent, at once and for whoever still knows a revision.
    assert_eq!(shared.put("a", "x", Expect::Revision(second)).await, Saved::Conflict);
    assert_eq!(shared.remove("a", Expect::Revision(second)).await, Saved::Conflict);
    let Saved::Stored(third) = shared.put("a", "three", Expect::Absent).await else { panic!() };
    assert!(third > second);
    assert_eq!(shared.value("a").await, value("three"));
}

pub async fn of_many_who_expect_the_same_one_stores(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    let mut expect = Expect::Absent;
    for _ in 0..3 {
        let saved = shared.put_at_once(&vec![shared.key("a"); 8], expect).await;
        let mut stored = saved.into_iter().filter_map(|saved| match saved {
            Saved::Stored(revision) => Some(revision),
            Saved::Conflict => None,
        });
        expect = Expect::Revision(stored.next().expect("one of them"));
        assert_eq!(stored.next(), None, "and no other");
    }
}

pub async fn a_value_vanishes_after_its_time(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    // Rounded up to a whole second.
    let ttl = Some(Duration::from_millis(700));
    let stored = shared.put_for("a", "one", Expect::Absent, ttl).await;
    assert!(matches!(stored, Saved::Stored(_)));
    shared.put_for("kept", "one", Expect::Any, ttl).await;
    shared.set("kept", "two").await;
    shared.put_for("longer", "one", Expect::Any, ttl).await;
    shared.put_for("longer", "two", Expect::Any, Some(Duration::from_secs(60))).await;
    assert_eq!(shared.value("a").await, value("one"));
    let end = shared.case.now() + SOON;
    while shared.get("a").await.is_some() {
        assert!(shared.case.now() < end, "it stays");
        shared.case.pass(STEP).await;
    }
    // What took its place has a time of its own, or none.
    shared.case.pass(Duration::from_secs(1)).await;
    assert_eq!(shared.value("kept").await, value("two"));
    assert_eq!(shared.value("longer").await, value("two"));
    // Expired is absent: another one can come, and lives as long as it says.
    let again = shared.put_for("a", "two", Expect::Absent, Some(Duration::from_secs(60))).await;
    assert!(matches!(again, Saved::Stored(_)), "{again:?}");
    shared.case.pass(Duration::from_secs(2)).await;
    assert_eq!(shared.value("a").await, value("two"), "its own time, not that of the one before");
}

pub async fn an_empty_value_and_one_too_large_are_refused(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    let put = |value| async {
        let key = shared.key("a");
        shared.case.transport.state_put(&key, value, Expect::Any, None).await
    };
    let refused = put(Bytes::new()).await;
    assert!(matches!(refused, Err(TransportError::Rejected { .. })), "{refused:?}");
    let most = shared.case.transport.broker().await.unwrap().max_payload;
    let refused = put(Bytes::from(vec![b'x'; most + 1])).await;
    assert!(matches!(refused, Err(TransportError::TooLarge { .. })), "{refused:?}");
    assert_eq!(shared.get("a").await, None);
}

pub async fn many_keys_are_read_at_once_in_their_order(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    for (token, value) in [("a", "1"), ("b", "2"), ("c", "3")] {
        shared.set(token, value).await;
    }
    shared.remove("b", Expect::Any).await;
    let keys = ["c", "none", "a", "b", "a"].map(|token| shared.key(token));
    let found = shared.case.transport.state_get(&keys).await.unwrap();
    let values: Vec<_> = found.into_iter().map(|entry| entry.map(|entry| entry.value)).collect();
    assert_eq!(values, [value("3"), None, value("1"), None, value("1")]);
    assert_eq!(shared.case.transport.state_get(&[]).await.unwrap(), []);
}

pub async fn a_list_has_what_the_prefix_covers_oldest_first_in_pages(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    for token in ["a", "b", "c", "d", "e"] {
        shared.set(token, "1").await;
    }
    shared.set("a", "2").await;
    shared.remove("c", Expect::Any).await;
    // Neither the prefix itself, nor what only begins with the same letters.
    let transport = &shared.case.transport;
    let beside: StateKey = format!("{}-x.a", shared.prefix).parse().unwrap();
    for key in [&shared.prefix, &beside, &shared.key("b").join("deep").unwrap()] {
        transport.state_put(key, Bytes::from_static(b"x"), Expect::Any, None).await.unwrap();
    }
    for page in [1, 2, 100] {
        let found = shared.list(&shared.prefix, page).await;
        let found: Vec<_> = found.iter().map(|e| e.key.tokens().last().unwrap()).collect();
        assert_eq!(found, ["b", "d", "e", "a", "deep"], "{page} a page");
    }
    let below = shared.list(&shared.key("b"), 10).await;
    assert_eq!(below.len(), 1, "{below:?}");
    assert_eq!(shared.list(&shared.key("none"), 10).await, []);
}

pub async fn keys_of_any_text_stay_apart(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    let texts = ["a.b", "a", "a b", "*", ">", "$JS", "ä\u{1f600}", "=2E", "%", "a\r\nb", "A"];
    for (n, text) in texts.iter().enumerate() {
        let key = shared.key(text);
        let value = Bytes::from(n.to_string());
        let saved = shared.case.transport.state_put(&key, value, Expect::Absent, None).await;
        assert!(matches!(saved, Ok(Saved::Stored(_))), "{text}: {saved:?}");
    }
    let found = shared.list(&shared.prefix, 100).await;
    let found: HashMap<_, _> =
        found.into_iter().map(|e| (e.key.tokens().last().unwrap(), e.value)).collect();
    assert_eq!(found.len(), texts.len());
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(found[*text], n.to_string().as_bytes(), "{text}");
    }
}

pub async fn a_watch_tells_what_is_there_and_then_each_change(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    shared.set("a", "old").await;
    shared.set("b", "1").await;
    let revision = shared.set("a", "2").await;
    let mut watch = shared.watch().await;
    let watch = &mut *watch;
    assert_eq!(shared.told(watch).await, ("b".into(), value("1")));
    let change = shared.told_within(watch, SOON).await.unwrap();
    let entry = change.entry.unwrap();
    assert_eq!(Some(entry.clone()), shared.get("a").await, "as it is stored");
    assert_eq!(entry.revision, revision);
    assert_eq!(shared.told_within(watch, BRIEF).await, None, "nothing has changed");
    // A revision that was told is one to compare and set by.
    let put = shared.put("a", "3", Expect::Revision(revision)).await;
    assert!(matches!(put, Saved::Stored(_)));
    assert_eq!(shared.told(watch).await, ("a".into(), value("3")));
    shared.remove("b", Expect::Any).await;
    assert_eq!(shared.told(watch).await, ("b".into(), None));
    // What the prefix does not cover is none of this watch's.
    let transport = &shared.case.transport;
    let put = transport.state_put(&shared.prefix, Bytes::from_static(b"x"), Expect::Any, None);
    put.await.unwrap();
    shared.set("c", "4").await;
    assert_eq!(shared.told(watch).await, ("c".into(), value("4")));
}

pub async fn a_watch_tells_what_expires(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    let ttl = Some(Duration::from_secs(1));
    shared.put_for("before", "1", Expect::Any, ttl).await;
    let mut watch = shared.watch().await;
    let watch = &mut *watch;
    assert_eq!(shared.told(watch).await, ("before".into(), value("1")));
    assert_eq!(shared.told(watch).await, ("before".into(), None));
    shared.put_for("after", "2", Expect::Absent, ttl).await;
    assert_eq!(shared.told(watch).await, ("after".into(), value("2")));
    assert_eq!(shared.told(watch).await, ("after".into(), None));
    assert_eq!(shared.get("after").await, None, "as it was told");
    // The mark of what was leaves no trace of its own.
    assert_eq!(shared.told_within(watch, Duration::from_secs(3)).await, None);
}

pub async fn a_watch_that_is_dropped_and_begun_again_misses_nothing(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    let mut watch = shared.watch().await;
    shared.set("a", "1").await;
    assert_eq!(shared.told(&mut *watch).await, ("a".into(), value("1")));
    drop(watch);
    shared.set("a", "2").await;
    shared.set("b", "1").await;
    let mut watch = shared.watch().await;
    assert_eq!(shared.told(&mut *watch).await, ("a".into(), value("2")));
    assert_eq!(shared.told(&mut *watch).await, ("b".into(), value("1")));
}

pub async fn thousands_of_entries_are_stored_listed_and_watched(subject: &dyn Subject) {
    let shared = Shared::new(subject);
    let keys: Vec<_> = (0..MANY).map(|n| shared.key(&format!("k{n}"))).collect();
    let transport = &shared.case.transport;
    for chunk in keys.chunks(250) {
        let saved = shared.put_at_once(chunk, Expect::Absent).await;
        assert!(saved.iter().all(|saved| matches!(saved, Saved::Stored(_))), "{saved:?}");
    }
    let found = transport.state_get(&keys).await.unwrap();
    assert!(found.iter().zip(&keys).all(|(e, k)| e.as_ref().is_some_and(|e| e.key == *k)));
    assert_eq!(shared.list(&shared.prefix, 1000).await.len(), MANY);
    let mut watch = shared.watch().await;
    for _ in 0..MANY {
        assert_eq!(shared.told(&mut *watch).await.1, value("x"));
    }
}
