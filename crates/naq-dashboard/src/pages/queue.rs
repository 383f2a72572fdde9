//! One queue: its numbers, its tasks, what holds it back, and what can be done about it.

use askama::Template;
use naq_core::stats::Counts;
use naq_core::transport::{ConsumerReport, StreamRole};
use naq_core::{QueueName, TaskName};

use super::depth::{Depth, Figure};
use super::queues::{MINUTES, line};
use super::{Content, PageError, Tab};
use crate::scene::{Scene, encode};
use crate::snapshot::LINE;
use crate::view::{Moment, bytes, clip, covered, percent, rate, said, span};

/// Tasks that are shown, those with the most starts.
const MAX_TASKS: usize = 100;

#[derive(Template)]
#[template(path = "queue.html")]
struct Queue<'a> {
    scene: &'a Scene<'a>,
    depth: Depth,
    starts: String,
    completed: String,
    line: String,
    line_minutes: u32,
    bytes: String,
    lease: Option<String>,
    consumer: Option<Consumer>,
    pauses: Vec<Pause>,
    tasks: Vec<Task>,
    hidden: usize,
}

/// What the broker says of the consumer that the queue's workers share.
struct Consumer {
    name: String,
    lag: Figure,
    held: Figure,
    redelivered: Figure,
    waiting: Figure,
}

struct Pause {
    task: String,
    since: Moment,
    until: Option<Moment>,
    who: String,
    reason: String,
}

struct Task {
    name: String,
    link: String,
    starts: Figure,
    retries: String,
    completed: Figure,
    failed: Figure,
    dead: Figure,
    typical: String,
    slow: String,
}

impl Task {
    fn new(scene: &Scene<'_>, queue: &QueueName, task: &TaskName, counts: &Counts) -> Self {
        let took = |share| counts.duration.quantile(share).map_or_else(|| "–".into(), span);
        Self {
            name: task.to_string(),
            link: scene.link(&format!("/failures?queue={queue}&task={}", encode(task.as_str()))),
            starts: counts.starts.total().into(),
            retries: percent(counts.retry_share()),
            completed: counts.completed.total().into(),
            failed: counts.failed().into(),
            dead: counts.dead.total().into(),
            typical: took(0.5),
            slow: took(0.95),
        }
    }
}

impl From<&ConsumerReport> for Consumer {
    fn from(report: &ConsumerReport) -> Self {
        Self {
            name: clip(&report.name, 64),
            lag: report.lag.into(),
            held: report.held.into(),
            redelivered: report.redelivered.into(),
            waiting: report.waiting_requests.into(),
        }
    }
}

pub(super) fn render(scene: &Scene<'_>, name: &str) -> Result<Content, PageError> {
    let (snapshot, now) = (&scene.snapshot, scene.now());
    let info = snapshot.queues.iter().find(|info| info.name.as_str() == name);
    let Some(info) = info else {
        let name = clip(name, 64);
        return Err(PageError::no_such(match snapshot.read_at {
            Some(_) => format!("there is no queue {name}; the first job for it makes it"),
            None => {
                format!("the broker has not been read yet, so nothing is known of queue {name}")
            }
        }));
    };
    let of_queue = |role: &StreamRole| *role == StreamRole::Queue(info.name.clone());
    let stream = snapshot.streams.iter().find(|stream| of_queue(&stream.role));
    let (minutes, over) = (snapshot.minutes.queue(&info.name), covered(MINUTES, now));
    let mut tasks: Vec<_> =
        snapshot.hour.tasks().filter(|(queue, ..)| **queue == info.name).collect();
    tasks.sort_by_key(|(_, _, counts)| std::cmp::Reverse(counts.starts.total()));
    let paused = snapshot.paused_tasks.iter().filter(|pause| pause.queue == info.name);
    let page = Queue {
        scene,
        depth: Depth::new(info, scene),
        starts: rate(minutes.starts.total(), over),
        completed: rate(minutes.completed.total(), over),
        line: line(info, scene),
        line_minutes: LINE,
        bytes: bytes(info.bytes),
        lease: info.lease.map(span),
        consumer: stream.and_then(|stream| stream.consumer.as_ref()).map(Consumer::from),
        pauses: paused
            .map(|pause| Pause {
                task: pause.task.to_string(),
                since: Moment::new(pause.since, now),
                until: pause.until.map(|until| Moment::new(until, now)),
                who: clip(&pause.who, 80),
                reason: said(&pause.reason, 200),
            })
            .collect(),
        hidden: tasks.len().saturating_sub(MAX_TASKS),
        tasks: tasks
            .iter()
            .take(MAX_TASKS)
            .map(|(queue, task, counts)| Task::new(scene, queue, task, counts))
            .collect(),
    };
    Ok(Content { title: format!("Queue {}", info.name), tab: Tab::Queues, body: page.render()? })
}
