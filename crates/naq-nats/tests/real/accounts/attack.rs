//! A hostile user tries every subject of NAQ and every verb of the JetStream API, directly and as the
//! reply subject of a request that it may send.

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use naq_testing::NatsServer;

use super::layout::matches;
use crate::support::TIME_LIMIT;

const QUEUES: [&str; 3] = ["mail", "billing", "naq-chores"];
const SHARED: [&str; 8] =
    ["DEAD", "RECORDS", "STATE", "KEYS", "AUDIT", "BLOBS", "STATS", "WORKERS"];
const STREAM_VERBS: [&str; 11] = [
    "CREATE",
    "UPDATE",
    "INFO",
    "DELETE",
    "PURGE",
    "SNAPSHOT",
    "RESTORE",
    "MSG.DELETE",
    "MSG.GET",
    "PEER.REMOVE",
    "LEADER.STEPDOWN",
];
const CONSUMER_VERBS: [&str; 10] = [
    "CREATE",
    "DURABLE.CREATE",
    "INFO",
    "DELETE",
    "PAUSE",
    "RESET",
    "UNPIN",
    "MSG.NEXT",
    "LEADER.STEPDOWN",
    "NAMES",
];

/// One subject of each family: of the attacker's queue, of another queue, and of all queues.
pub(super) fn all_subjects() -> Vec<String> {
    let mut all = Vec::new();
    for queue in QUEUES {
        for family in ["q", "s", "d", "r", "u", "k.forgotten", "k.purged", "k.pause"] {
            all.push(format!("naq.{family}.{queue}.evil"));
        }
        for family in ["b", "k.progress", "k.checkpoint"] {
            all.push(format!("naq.{family}.{queue}.evil.x.0"));
        }
        all.push(format!("naq.k.met.{queue}.evil.n.mail.a"));
        all.push(format!("naq.k.dep.mail.a.{queue}.evil"));
        all.push(format!("naq.k.budget.queue.{queue}"));
    }
    let keys = ["limit", "breaker", "budget", "run", "schedule", "audit", "workflow", "batch"];
    all.extend(keys.map(|kind| format!("naq.k.{kind}.evil")));
    for rest in ["budget.task.evil", "limit.evil.slot.0", "limit.evil.wait.billing.a", "run.w.p"] {
        all.push(format!("naq.k.{rest}"));
    }
    all.extend(
        ["naq.w.evil", "naq.a.7", "naq.m.evil.1", "naq.ctl", "naq.unknown.evil"].map(str::to_owned),
    );
    for verb in ["INFO", "STREAM.NAMES", "STREAM.LIST"] {
        all.push(format!("$JS.API.{verb}"));
    }
    let queues = QUEUES.map(|queue| format!("NAQ_Q_{queue}"));
    let shared = SHARED.map(|name| format!("NAQ_{name}"));
    for stream in queues.iter().chain(&shared) {
        all.extend(STREAM_VERBS.map(|verb| format!("$JS.API.STREAM.{verb}.{stream}")));
        for verb in CONSUMER_VERBS {
            all.push(format!("$JS.API.CONSUMER.{verb}.{stream}.workers"));
        }
        all.push(format!("$JS.API.CONSUMER.CREATE.{stream}.evil.naq.>"));
        all.push(format!("$JS.API.CONSUMER.LIST.{stream}"));
        all.push(format!("$JS.API.DIRECT.GET.{stream}"));
        for subject in [
            "r.mail.a",
            "r.billing.a",
            "u.mail.a",
            "u.billing.a",
            "k.progress.billing.a.b",
            "k.schedule.a",
        ] {
            all.push(format!("$JS.API.DIRECT.GET.{stream}.naq.{subject}"));
        }
        all.push(format!("$JS.ACK.{stream}.workers.1.1.1.1.1"));
        all.push(format!("$JS.ACK._.HASH.{stream}.workers.1.1.1.1.1"));
        // With a wildcard for domain and account, this would be an ack of the attacker's own queue.
        all.push(format!("$JS.ACK.{stream}.workers.NAQ_Q_mail.workers.1.1.1.1.1"));
    }
    all.push("$JS.FC.NAQ_STATE.evil".to_owned());
    all
}

/// Requests that bring a reply, which the broker sends with its own rights, with their bodies.
const BOUNCERS: [(&str, &str); 8] = [
    ("naq.q.mail.bounce", r#"{"task":"evil"}"#),
    ("naq.k.limit.bounce", "evil"),
    ("naq.r.mail.bounce", "evil"),
    ("$JS.API.DIRECT.GET.NAQ_Q_mail", r#"{"last_by_subj":"naq.q.mail.bounce"}"#),
    ("$JS.API.DIRECT.GET.NAQ_RECORDS.naq.r.mail.bounce", ""),
    ("$JS.API.STREAM.INFO.NAQ_Q_mail", ""),
    ("$JS.API.CONSUMER.MSG.NEXT.NAQ_Q_mail.workers", r#"{"batch":1,"no_wait":true}"#),
    ("$JS.ACK.NAQ_Q_mail.workers.1.1.1.1.1", r#"+NXT {"batch":1,"no_wait":true}"#),
];

pub(super) async fn client(server: &NatsServer, user: &str, password: &str) -> Client {
    ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        .custom_inbox_prefix(format!("_INBOX_{user}"))
        .connect(server.url())
        .await
        .unwrap_or_else(|err| panic!("{user}: {err}"))
}

/// Waits until the broker has handled everything that this client sent and has sent it everything before.
async fn round_trip(client: &Client) {
    let answer = client.request("$JS.API.INFO", "".into());
    let answer = tokio::time::timeout(TIME_LIMIT, answer).await;
    answer.expect("in time").expect("every role may ask this");
}

/// The subjects that arrive in the account of the streams while `attacker` tries all subjects, directly
/// and as replies to the requests that `may_send` allows.
pub(super) async fn reached(
    observer: &Client,
    attacker: &Client,
    may_send: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let mut seen = observer.subscribe(">").await.expect("subscribes");
    round_trip(observer).await;
    let all = all_subjects();
    let inbox = attacker.new_inbox();
    for (request, body) in BOUNCERS.into_iter().filter(|(request, _)| may_send(request)) {
        for target in &all {
            let sent = attacker.publish_with_reply(request, target.clone(), body.into()).await;
            sent.expect("sends");
        }
        // The same request with a reply that arrives: then the broker has sent the replies before it.
        if !request.starts_with("$JS.ACK") {
            let answer = attacker.request(request, body.into());
            let _ = tokio::time::timeout(Duration::from_secs(2), answer).await;
        }
    }
    for target in &all {
        let sent = attacker.publish_with_reply(target.clone(), inbox.clone(), "{}".into()).await;
        sent.expect("sends");
    }
    round_trip(attacker).await;
    observer.publish("evil.end", "".into()).await.expect("sends");
    let mut reached = BTreeSet::new();
    loop {
        let message = tokio::time::timeout(TIME_LIMIT, seen.next()).await.expect("in time");
        let subject = message.expect("a message").subject.to_string();
        if subject == "evil.end" {
            break;
        }
        if subject.starts_with("naq.")
            || subject.starts_with("$JS.A")
            || subject.starts_with("$JS.F")
        {
            reached.insert(subject);
        }
    }
    reached
}

/// The subjects, of all that NAQ and the broker use, that arrive at `spy`.
pub(super) async fn heard(observer: &Client, spy: &Client) -> BTreeSet<String> {
    let mut all: Vec<_> = all_subjects().into_iter().filter(|it| it.starts_with("naq.")).collect();
    all.push("$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.NAQ_Q_mail.workers".to_owned());
    let mut inboxes = Vec::new();
    for subject in
        [">", "naq.>", "$JS.>", "_INBOX.>", "_R_.>"].map(str::to_owned).iter().chain(&all)
    {
        inboxes.push(spy.subscribe(subject.clone()).await.expect("asks"));
    }
    round_trip(spy).await;
    for subject in &all {
        observer.publish(subject.clone(), "secret".into()).await.expect("sends");
    }
    round_trip(observer).await;
    round_trip(spy).await;
    let mut heard = BTreeSet::new();
    for mut inbox in inboxes {
        inbox.unsubscribe().await.expect("sends");
        while let Ok(Some(message)) = tokio::time::timeout(Duration::ZERO, inbox.next()).await {
            if message.payload.as_ref() == b"secret" {
                heard.insert(message.subject.to_string());
            }
        }
    }
    heard
}

/// Those of all subjects that one of the patterns allows.
pub(super) fn allowed<'a>(
    patterns: impl IntoIterator<Item = &'a String>,
    subjects: &BTreeSet<String>,
) -> BTreeSet<String> {
    let patterns: Vec<_> = patterns.into_iter().collect();
    let allows = |subject: &&String| patterns.iter().any(|pattern| matches(pattern, subject));
    subjects.iter().filter(allows).cloned().collect()
}
