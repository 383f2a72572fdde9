//! Messages that no NATS client of this release can parse, among a thousand jobs (ADR 0038).

use naq_core::{JobState, QueueName};
use naq_faults::script::Script;
use naq_testing::{MALFORMED, NatsConnection, eventually};

use crate::setup::{TIME_LIMIT, TestSetup};

const JOBS: usize = 1000;
const BODY: &[u8] = br#"{"task":"faults.scripted","args":{"script":"succeed","pace":"fixed"}}"#;

#[tokio::test]
async fn malformed_messages_end_no_worker_and_become_dead_letters_and_all_other_jobs_run() {
    let setup = TestSetup::new("malformed").await;
    let mut workers: Vec<_> = (0..3).map(|n| setup.worker(&format!("w{n}"), None)).collect();
    for worker in &mut workers {
        worker.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    }
    let mut jobs = setup.enqueue_many(Script::Succeed, JOBS / 2).await;
    let mut raw = NatsConnection::connect(setup.address(), "").expect("connects");
    for message in MALFORMED {
        let subject = format!("naq.q.{}.{}", setup.queue, message.name);
        let subject = [subject.as_bytes(), message.subject].concat();
        raw.publish(&subject, message.headers, BODY).expect("sent");
    }
    raw.ping().expect("answers");
    jobs.extend(setup.enqueue_many(Script::Succeed, JOBS / 2).await);
    let client = setup.client();
    let queue = QueueName::new(&setup.queue).expect("a name");
    eventually("an empty queue", 4 * TIME_LIMIT, async || {
        let info = client.transport().queue_info(&queue).await.map_err(|e| e.to_string())?;
        let info = info.ok_or("no queue")?;
        (info.pending + info.running == 0).then_some(()).ok_or(format!("{info:?}"))
    })
    .await;
    let stored = setup.stored_jobs(&jobs).await;
    for job in &jobs {
        let ends: Vec<_> = stored[&job.id].ends.iter().map(|end| end.state).collect();
        assert_eq!(ends, [JobState::Completed], "{}", job.id);
    }
    let page = client.transport().dead_letters(Some(&queue), 0, 1000).await.expect("reads");
    let must_die = MALFORMED.iter().filter(|it| it.is_unreadable_when_stored()).count();
    assert!(page.letters.len() >= must_die, "{} of {must_die}", page.letters.len());
    for mut worker in workers {
        worker.terminate().expect("a signal");
        let status = worker.wait(TIME_LIMIT).await.expect("it ends");
        assert!(status.success(), "{status}: {}", worker.stderr());
    }
}
