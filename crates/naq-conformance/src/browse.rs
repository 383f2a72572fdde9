//! Lists of jobs: by place and state, with filters, page by page.

use std::time::Duration;

use naq_core::failure::ErrorKind;
use naq_core::names::{QueueName, TaskName};
use naq_core::state::JobState;
use naq_core::transport::{JobSummary, JobsQuery, Order, Place, SCAN};

use crate::Subject;
use crate::case::Case;

fn in_own_queue(case: &Case<'_>, query: JobsQuery) -> JobsQuery {
    JobsQuery { queue: Some(case.queue.clone()), ..query }
}

/// All jobs of a list, and the number of its pages.
async fn walk(case: &Case<'_>, mut query: JobsQuery) -> (Vec<JobSummary>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let page = case.transport.jobs(&query).await.unwrap();
        pages += 1;
        assert!(page.scanned <= SCAN && page.jobs.len() <= query.limit, "{}", page.scanned);
        all.extend(page.jobs);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return (all, pages),
        }
        assert!(pages < 200, "too many pages: {query:?}");
    }
}

async fn list(case: &Case<'_>, query: JobsQuery) -> Vec<String> {
    walk(case, query).await.0.iter().map(|job| job.key.id.to_string()).collect()
}

pub async fn jobs_are_listed_by_their_state(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    for id in ["done", "dead", "retrying", "running"] {
        case.enqueue(id).await;
    }
    let held = case.next_deliveries(&mut sub, 4).await;
    case.complete(&held[0]).await;
    case.settle(&held[1], &case.death_record(&held[1], "ValueError")).await;
    case.write(&case.dead(&held[1], "ValueError")).await;
    case.settle(&held[2], &case.retry(&held[2], Duration::from_secs(3600))).await;
    case.enqueue_in("scheduled", Duration::from_secs(3600)).await;
    let parent = case.enqueue("pending").await;
    let child = case.client.enqueue_task("task", &()).unwrap().id("blocked");
    child.depends_on(&parent).await.unwrap();
    case.enqueue("cancelled").await;
    case.client.cancel(&case.key("cancelled"), "no").await.unwrap();
    case.expect_places("done", &[Place::Record]).await;
    case.expect_places("dead", &[Place::Dead, Place::Record]).await;
    case.expect_places("retrying", &[Place::Schedule]).await;
    for (state, id) in [
        (JobState::Pending, "pending"),
        (JobState::Running, "running"),
        (JobState::Blocked, "blocked"),
        (JobState::Scheduled, "scheduled"),
        (JobState::Retrying, "retrying"),
        (JobState::Completed, "done"),
        (JobState::Dead, "dead"),
        (JobState::Cancelled, "cancelled"),
    ] {
        for order in [Order::NewestFirst, Order::OldestFirst] {
            let query = JobsQuery { order, ..in_own_queue(&case, JobsQuery::of(state)) };
            let (jobs, _) = walk(&case, query).await;
            let found: Vec<_> = jobs.iter().map(|job| (job.key.id.as_str(), job.state)).collect();
            assert_eq!(found, [(id, state)], "{order:?}");
        }
    }
    assert_eq!(list(&case, in_own_queue(&case, JobsQuery::of(JobState::Expired))).await, [""; 0]);
    let (waiting, _) = walk(&case, in_own_queue(&case, JobsQuery::at(Place::Schedule))).await;
    assert_eq!(waiting.len(), 3);
    let retrying = waiting.iter().find(|job| job.state == JobState::Retrying).unwrap();
    assert_eq!((retrying.attempt, retrying.due_at.is_some()), (2, true));
    let (dead, _) = walk(&case, in_own_queue(&case, JobsQuery::of(JobState::Dead))).await;
    assert_eq!(dead[0].error_kind, Some(ErrorKind::VALUE));
    assert_eq!(dead[0].message.as_deref(), Some("went wrong"));
    assert_eq!(dead[0].task, Some(TaskName::new("task").unwrap()));
}

pub async fn pages_are_complete_from_both_ends_despite_gaps(subject: &dyn Subject) {
    let case = Case::new(subject);
    for n in 0..60 {
        case.enqueue(&format!("job-{n:02}")).await;
    }
    // Waiting jobs are in the same stream, and removed messages leave gaps.
    case.enqueue_in("waits", Duration::from_secs(3600)).await;
    for n in 3..55 {
        if n % 20 != 0 {
            let found = case.transport.locate(&case.key(&format!("job-{n:02}"))).await.unwrap();
            assert!(case.transport.remove(&found[0]).await.unwrap());
        }
    }
    let expected: Vec<String> =
        [0, 1, 2, 20, 40, 55, 56, 57, 58, 59].iter().map(|n| format!("job-{n:02}")).collect();
    for limit in [1, 3, 10, 100] {
        let query = JobsQuery { limit, ..in_own_queue(&case, JobsQuery::at(Place::Queue)) };
        let oldest = JobsQuery { order: Order::OldestFirst, ..query.clone() };
        assert_eq!(list(&case, oldest).await, expected, "limit {limit}");
        let mut newest = list(&case, query).await;
        newest.reverse();
        assert_eq!(newest, expected, "limit {limit}");
    }
    let waits = in_own_queue(&case, JobsQuery::at(Place::Schedule));
    assert_eq!(list(&case, waits).await, ["waits"]);
}

pub async fn a_list_is_filtered_by_all_its_conditions(subject: &dyn Subject) {
    let case = Case::new(subject);
    let enqueue = async |id: &str, task: &str, tag: &str| {
        let job = case.client.enqueue_task(task, &()).unwrap().id(id).tag(tag);
        job.await.unwrap();
        case.advance(Duration::from_millis(20)).await;
    };
    enqueue("a-1", "mail", "x").await;
    enqueue("a-2", "mail", "y").await;
    enqueue("b-1", "bill", "x").await;
    enqueue("b-2", "bill", "y").await;
    let all = in_own_queue(&case, JobsQuery::of(JobState::Pending));
    let all = JobsQuery { order: Order::OldestFirst, ..all };
    let times: Vec<_> = walk(&case, all.clone()).await.0.iter().map(|it| it.stored_at).collect();
    let task = Some(TaskName::new("mail").unwrap());
    let bills = Some(TaskName::new("bill").unwrap());
    for (query, expected) in [
        (JobsQuery { task, ..all.clone() }, vec!["a-1", "a-2"]),
        (JobsQuery { tag: Some("x".into()), ..all.clone() }, vec!["a-1", "b-1"]),
        (JobsQuery { id_prefix: Some("b-".into()), ..all.clone() }, vec!["b-1", "b-2"]),
        (JobsQuery { since: Some(times[2]), ..all.clone() }, vec!["b-1", "b-2"]),
        (JobsQuery { until: Some(times[2]), ..all.clone() }, vec!["a-1", "a-2"]),
        (JobsQuery { task: bills, tag: Some("y".into()), ..all.clone() }, vec!["b-2"]),
        (JobsQuery { error_kind: Some(ErrorKind::VALUE), ..all.clone() }, vec![]),
    ] {
        assert_eq!(list(&case, query.clone()).await, expected, "{query:?}");
        let mut newest = list(&case, JobsQuery { order: Order::NewestFirst, ..query }).await;
        newest.reverse();
        assert_eq!(newest, expected);
    }
}

pub async fn no_page_reads_all_jobs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let jobs = (0..SCAN + 500).map(|n| {
        let job = case.client.enqueue_task("t", &n).unwrap().id(format!("job-{n}"));
        let job = if n == 0 { job.tag("rare") } else { job };
        job.prepare().unwrap()
    });
    for stored in case.client.enqueue_many(jobs).await {
        stored.unwrap();
    }
    let plain = in_own_queue(&case, JobsQuery::of(JobState::Pending));
    let first = case.transport.jobs(&plain).await.unwrap();
    assert_eq!((first.jobs.len(), first.scanned, first.next.is_some()), (50, 50, true));
    let rare = JobsQuery { tag: Some("rare".into()), ..plain.clone() };
    let first = case.transport.jobs(&rare).await.unwrap();
    assert!(first.jobs.is_empty() && first.scanned == SCAN, "{}", first.scanned);
    let (found, pages) = walk(&case, rare.clone()).await;
    assert_eq!((found.len(), pages), (1, 2));
    let oldest = JobsQuery { order: Order::OldestFirst, limit: 1, ..rare };
    assert_eq!(case.transport.jobs(&oldest).await.unwrap().jobs.len(), 1);
}

pub async fn jobs_of_several_queues_are_listed_one_queue_after_the_other(subject: &dyn Subject) {
    let case = Case::new(subject);
    let names: Vec<_> = ["a", "b", "c"].map(|it| format!("{it}-{}", case.queue)).into();
    for (n, queue) in names.iter().enumerate() {
        for i in 0..=n {
            let job = case.client.enqueue_task("t", &()).unwrap();
            job.queue(queue).id(format!("{n}{i}")).await.unwrap();
        }
    }
    let of = |queue: &QueueName| names.iter().any(|name| name == queue.as_str());
    for (order, expected) in [
        (Order::OldestFirst, ["00", "10", "11", "20", "21", "22"]),
        (Order::NewestFirst, ["00", "11", "10", "22", "21", "20"]),
    ] {
        let query = JobsQuery { order, limit: 2, ..JobsQuery::at(Place::Queue) };
        let (jobs, _) = walk(&case, query).await;
        let found: Vec<_> = jobs.iter().filter(|job| of(&job.key.queue)).collect();
        let ids: Vec<_> = found.iter().map(|job| job.key.id.as_str()).collect();
        assert_eq!(ids, expected);
    }
}

pub async fn a_list_of_absent_jobs_is_empty(subject: &dyn Subject) {
    let case = Case::new(subject);
    for state in JobState::ALL {
        let page = case.transport.jobs(&in_own_queue(&case, JobsQuery::of(state))).await.unwrap();
        assert_eq!((page.jobs.len(), page.next), (0, None), "{state}");
    }
    let odd = in_own_queue(&case, JobsQuery::at(Place::Queue));
    case.json("odd", "not a job").await;
    let page = case.transport.jobs(&odd).await.unwrap();
    let odd = &page.jobs[0];
    assert_eq!((odd.key.id.as_str(), &odd.task, odd.state), ("odd", &None, JobState::Pending));
}
