//! The accounts of deploy/nats/accounts.conf: each role can do its work, and a hostile user of a role can
//! do nothing else.

mod attack;
mod layout;

use std::collections::BTreeSet;

use naq_core::transport::{
    BlobRef, Blobs, Expect, Operator, Producer, StateKey, StateStore, TransportError,
};
use naq_core::{Clock, QueueName, SystemClock};
use naq_nats::{Auth, NatsConfig, NatsTransport};
use naq_testing::NatsServer;

use self::layout::{Account, QUEUES, matches};
use crate::permissions::{in_mail, operate, use_state_store, work};
use crate::support::TIME_LIMIT;

async fn connect(server: &NatsServer, user: &str) -> NatsTransport {
    let auth = Auth::UserPassword { user: user.into(), password: "x".into() };
    let mut config = NatsConfig::new(server.url()).auth(auth);
    config.inbox_prefix = format!("_INBOX_{user}");
    NatsTransport::connect(config).await.expect(user)
}

async fn create_queues(server: &NatsServer) -> NatsTransport {
    let admin = connect(server, "admin").await;
    for queue in QUEUES {
        admin.create_queue(&QueueName::new(queue).expect("a name")).await.expect("creates");
    }
    admin
}

/// The hostile user of one account, with or without the permissions of the user.
async fn attack(server: &NatsServer, account: &Account) {
    let user = &account.user;
    let observer = attack::client(server, "admin", "x").await;
    let attacker = attack::client(server, user, "x").await;
    let rights = &account.imported;
    let all: BTreeSet<String> = attack::all_subjects().into_iter().collect();
    let may = |subject: &str| rights.send.iter().any(|pattern| matches(pattern, subject));
    let heard = attack::heard(&observer, &attacker).await;
    assert_eq!(heard, attack::allowed(&rights.hear, &all), "{user} hears");
    let reached = attack::reached(&observer, &attacker, may).await;
    let beyond: Vec<_> = reached.iter().filter(|subject| !may(subject)).collect();
    assert!(beyond.is_empty(), "{user} reached {beyond:?}");
    let wanted = attack::allowed(&rights.send, &all);
    let missing: Vec<_> = wanted.difference(&reached).collect();
    assert!(missing.is_empty(), "{user} did not reach {missing:?}");
}

#[tokio::test]
async fn a_hostile_user_of_any_role_reaches_only_what_the_table_lists() {
    for permissions in [true, false] {
        let server = layout::server(permissions);
        create_queues(&server).await;
        for account in layout::accounts() {
            attack(&server, &account).await;
        }
    }
}

/// The attack is real: it succeeds where all roles share an account.
#[tokio::test]
async fn in_a_single_account_a_hostile_producer_reaches_the_whole_account() {
    let server = crate::permissions::server();
    let admin = crate::permissions::connect(&server, "admin").await;
    for queue in QUEUES {
        admin.create_queue(&QueueName::new(queue).expect("a name")).await.expect("creates");
    }
    let observer = attack::client(&server, "observer", "x").await;
    let attacker = attack::client(&server, "producer", "producer-pw").await;
    let may = |subject: &str| {
        subject == "naq.q.mail.bounce" || subject == "$JS.API.DIRECT.GET.NAQ_Q_mail"
    };
    let reached = attack::reached(&observer, &attacker, may).await;
    for subject in [
        "naq.q.billing.evil",
        "naq.k.pause.billing.evil",
        "naq.ctl",
        "$JS.API.STREAM.DELETE.NAQ_DEAD",
        "$JS.API.STREAM.PURGE.NAQ_RECORDS",
    ] {
        assert!(reached.contains(subject), "{reached:?}");
    }
}

#[tokio::test]
async fn each_role_does_its_work_in_its_account() {
    let server = layout::server(true);
    let admin = create_queues(&server).await;
    let producer = connect(&server, "producer-mail").await;
    for id in ["done", "later", "dead", "back"] {
        producer.publish(in_mail(id)).await.expect("enqueues");
    }
    let mut delayed = in_mail("delayed");
    delayed.due_at = Some(SystemClock.now() + TIME_LIMIT * 4);
    producer.publish(delayed).await.expect("enqueues for later");
    let mut unique = in_mail("delayed");
    unique.unique = true;
    unique.dedup = "another".into();
    let receipt = producer.publish(unique).await.expect("reads");
    assert_eq!(receipt, naq_core::transport::Receipt::Duplicate);
    let mut foreign = in_mail("x");
    foreign.key.queue = QueueName::new("billing").expect("a name");
    let refused = producer.publish(foreign).await.expect_err("another queue");
    assert!(
        matches!(&refused, TransportError::Permission { subject } if subject == "naq.q.billing.x")
    );

    let worker = connect(&server, "worker-mail").await;
    work(&worker).await;
    use_state_store(&worker, "worker").await;
    let (key, blob) = (in_mail("done").key, BlobRef::new(3));
    worker.blob_put(&key, &blob, "abc".into(), TIME_LIMIT).await.expect("stores");
    for reader in [&worker, &producer, &admin] {
        assert_eq!(reader.blob_get(&key, &blob).await.expect("reads"), Some("abc".into()));
    }
    let of_others = naq_core::transport::StateKey::new(["pause", "mail", "t"]).expect("a key");
    let refused = worker.state_remove(&of_others, naq_core::transport::Expect::Any).await;
    assert!(matches!(refused, Err(TransportError::Permission { .. })), "{refused:?}");

    let operator = connect(&server, "operator").await;
    use_state_store(&operator, "operator").await;
    operate(&operator).await;
    let found = operator.diagnose().await;
    let wrong: Vec<_> = found.iter().filter(|f| f.level == naq_nats::Level::Fail).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_worker_of_one_queue_writes_of_another_only_what_the_page_lists() {
    let server = layout::server(true);
    create_queues(&server).await;
    let accounts = layout::accounts();
    let worker = accounts.iter().find(|it| it.user == "worker-mail").expect("an account");
    let may = |subject: &str| worker.imported.send.iter().any(|it| matches(it, subject));
    // What has `mail` as its queue is its own. The edge of a child has the queue of its parent first.
    let is_own = |subject: &str| {
        let token = |n| subject.split('.').nth(n).unwrap_or_default();
        let depends = subject.starts_with("naq.k.dep.").then(|| token(5));
        let budget = subject.starts_with("naq.k.budget.queue.").then(|| token(4));
        let state = subject.starts_with("naq.k.").then(|| token(3));
        depends.or(budget).or(state).unwrap_or_else(|| token(2)) == "mail"
    };
    let all = attack::all_subjects();
    let others: Vec<_> =
        all.iter().filter(|it| it.starts_with("naq.") && may(it) && !is_own(it)).collect();
    let listed = layout::shared_entries();
    assert!(listed.len() > 5, "{listed:?}");
    let is_of = |subject: &str, entry: &str| subject.starts_with(&format!("{entry}."));
    for subject in &others {
        assert!(listed.iter().any(|it| is_of(subject, it)), "{subject} is not on the page");
    }
    for entry in &listed {
        assert!(others.iter().any(|it| is_of(it, entry)), "{entry}: no worker can write it");
    }
    // The same, asked of the broker.
    let state = connect(&server, "worker-mail").await;
    for (tokens, is_taken) in [
        (["budget", "queue", "mail"], true),
        (["budget", "queue", "billing"], false),
        (["budget", "task", "send"], true),
        (["pause", "billing", "send"], false),
        (["checkpoint", "billing", "job"], false),
        (["limit", "stripe", "rate"], true),
    ] {
        let key = StateKey::new(tokens).expect("a key");
        let put = state.state_put(&key, "x".into(), Expect::Any, None).await;
        match is_taken {
            true => assert!(put.is_ok(), "{tokens:?}: {put:?}"),
            false => {
                assert!(
                    matches!(put, Err(TransportError::Permission { .. })),
                    "{tokens:?}: {put:?}"
                );
            }
        }
    }
}

/// A header with which a producer would empty a stream, and how operators would rewrite the log.
#[tokio::test]
async fn unique_keys_and_the_audit_log_cannot_be_emptied() {
    let server = layout::server(true);
    let admin = create_queues(&server).await;
    let client = naq_client::Client::new(std::sync::Arc::new(admin));
    for who in ["ann", "ben"] {
        client.audit(naq_client::AuditEntry::new(who, "purge", "mail")).await.expect("writes");
    }
    let before = client.verify_audit_log().await.expect("reads");
    let rollup = || {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Rollup", "all");
        headers
    };
    let producer = attack::client(&server, "producer-mail", "x").await;
    let operator = attack::client(&server, "operator", "x").await;
    let refused = |answer: Result<async_nats::Message, async_nats::RequestError>| {
        let text = String::from_utf8_lossy(&answer.expect("an answer").payload).into_owned();
        assert!(text.contains("error"), "{text}");
    };
    let kept = producer.request("naq.u.mail.a", "1".into()).await;
    assert!(!String::from_utf8_lossy(&kept.expect("an answer").payload).contains("error"));
    for key in ["naq.u.mail.a", "naq.u.mail.b"] {
        refused(producer.request_with_headers(key, rollup(), "x".into()).await);
    }
    refused(operator.request_with_headers("naq.a.9", rollup(), "x".into()).await);
    refused(operator.request("naq.a.1", "another".into()).await);
    let full = attack::client(&server, "admin", "x").await;
    refused(full.request("$JS.API.STREAM.PURGE.NAQ_AUDIT", "".into()).await);
    refused(full.request("$JS.API.STREAM.MSG.DELETE.NAQ_AUDIT", r#"{"seq":1}"#.into()).await);
    let after = client.verify_audit_log().await.expect("reads");
    assert_eq!((after.entries, after.head), (before.entries, before.head));
    let info = full.request("$JS.API.STREAM.INFO.NAQ_KEYS", "".into()).await.expect("an answer");
    assert!(String::from_utf8_lossy(&info.payload).contains(r#""messages":1,"#), "{info:?}");
}
