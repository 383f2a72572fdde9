//! A search over all queues and states, and what it says of its bound.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, FoundJobs, MatchedBy};
use naq_core::testing::ManualClock;
use naq_memory::MemoryTransport;

struct World {
    clock: ManualClock,
    client: Client,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        let broker = MemoryTransport::with_timer(Arc::new(clock.clone()));
        let client = Client::new(Arc::new(broker)).clock(Arc::new(clock.clone()));
        Self { clock, client }
    }

    async fn enqueue(&self, queue: &str, id: &str, tag: &str) {
        let job = self.client.enqueue_task("email.send", &0).unwrap();
        job.queue(queue).id(id).tag(tag).await.unwrap();
        self.clock.advance(Duration::from_millis(1)).await;
    }

    async fn find(&self, text: &str, scan: usize) -> FoundJobs {
        self.client.find_jobs(text, scan).await.unwrap()
    }
}

fn ids(found: &FoundJobs) -> Vec<&str> {
    found.jobs.iter().map(|it| it.job.key.id.as_str()).collect()
}

#[tokio::test]
async fn the_best_match_comes_first_and_then_the_newest() {
    let world = World::new();
    world.enqueue("a", "by-tag", "for-job-1").await;
    world.enqueue("b", "job-10", "t").await;
    world.enqueue("a", "job-1", "t").await;
    world.enqueue("b", "job-11", "t").await;
    let found = world.find("JOB-1", 1_000).await;
    assert_eq!(ids(&found), ["job-1", "job-11", "job-10", "by-tag"]);
    let by: Vec<_> = found.jobs.iter().map(|it| it.matched_by).collect();
    let part = MatchedBy::PartOfId;
    assert_eq!(by, [MatchedBy::Id, part, part, MatchedBy::Tag]);
    assert_eq!(ids(&world.find("b/job-10", 1_000).await), ["job-10"]);
    assert_eq!(ids(&world.find("a/job-10", 1_000).await), [""; 0], "it is in another queue");
    assert_eq!(world.find(" ", 1_000).await, FoundJobs::default());
}

#[tokio::test]
async fn a_full_queue_does_not_hide_the_others_and_the_answer_says_what_was_read() {
    let world = World::new();
    world.enqueue("full", "oldest", "order-1").await;
    for n in 0..200 {
        world.enqueue("full", &format!("job-{n}"), "t").await;
    }
    world.enqueue("small", "other", "order-1").await;
    let found = world.find("order-1", 100).await;
    assert_eq!(ids(&found), ["other"]);
    let text = found.searched_text();
    assert!(text.contains("the newest 50 pending and running jobs of each queue"), "{text}");
    assert!(text.contains("no waiting jobs, no dead jobs, no ended jobs"), "{text}");
    assert_eq!((found.searched[0].read, found.searched[0].has_more), (51, true));
    assert_eq!(ids(&world.find("oldest", 100).await), ["oldest"], "a whole id is found anywhere");
    assert_eq!(ids(&world.find("order-1", 1_000).await), ["other", "oldest"]);
}
