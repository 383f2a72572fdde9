//! All names of subjects, streams and consumers, and the functions that read them. No other module
//! builds such names; `docs/wire-format.md` describes them.

pub(crate) mod api;

use std::fmt;
use std::sync::Arc;

use naq_core::stats::StatsReport;
use naq_core::transport::{BlobRef, JobKey, KeptBlob, Place, StateKey, TransportError};
use naq_core::{JobId, QueueName, WorkerId};

/// The durable consumer that delivers a queue's jobs.
pub(crate) const CONSUMER: &str = "workers";
/// The consumer beside it that shows since when the broker runs.
pub(crate) const UPTIME: &str = "uptime";
const FENCE: &str = "fence";

/// The names under one prefix.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Subjects {
    prefix: Arc<str>,
    streams: Arc<str>,
}

impl fmt::Debug for Subjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subjects({})", self.prefix)
    }
}

/// The parts of a job subject. The id is `None` if the subject is not a valid job subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ParsedSubject {
    pub(crate) place: Place,
    pub(crate) queue: QueueName,
    pub(crate) id: Option<JobId>,
}

impl Subjects {
    /// Names that begin with `prefix`; stream names use it in upper case. It may not contain `_`,
    /// so that the streams of two prefixes are always different.
    pub(crate) fn new(prefix: &str) -> Result<Self, TransportError> {
        let fits = (1..=32).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !fits {
            return Err(TransportError::Rejected {
                what: format!("the prefix {:?}", prefix.chars().take(80).collect::<String>()),
                reason: "use 1 to 32 lower-case letters, digits or `-`".into(),
            });
        }
        Ok(Self { prefix: prefix.into(), streams: prefix.to_ascii_uppercase().into() })
    }

    /// `naq.q.<queue>.<id>`, and the same for `s`, `d` and `r`.
    pub(crate) fn job(&self, place: Place, key: &JobKey) -> String {
        format!("{}.{}.{}.{}", self.prefix, letter(place), key.queue, key.id)
    }

    /// The stream that stores the messages of this place.
    pub(crate) fn stream(&self, place: Place, queue: &QueueName) -> String {
        match place {
            Place::Queue | Place::Schedule => self.queue_stream(queue),
            Place::Dead => self.dead_stream(),
            Place::Record => self.records_stream(),
        }
    }

    /// All jobs of one queue at this place.
    pub(crate) fn of_queue(&self, place: Place, queue: &QueueName) -> String {
        format!("{}.{}.{queue}.>", self.prefix, letter(place))
    }

    /// The subject of the uptime consumer. No job id has a `~`, so it has no messages.
    pub(crate) fn uptime(&self, queue: &QueueName) -> String {
        format!("{}.s.{queue}.~{UPTIME}", self.prefix)
    }

    /// The message that a reader stores before it reads, so that it knows how new the answer is. It is no
    /// job's, and at the place of schedules the broker moves it nowhere.
    pub(crate) fn fence(&self, place: Place, queue: &QueueName) -> String {
        format!("{}.{}.{queue}.~{FENCE}", self.prefix, letter(place))
    }

    /// All jobs at this place.
    pub(crate) fn of_all(&self, place: Place) -> String {
        format!("{}.{}.>", self.prefix, letter(place))
    }

    /// This id in any queue.
    pub(crate) fn anywhere(&self, place: Place, id: &JobId) -> String {
        format!("{}.{}.*.{id}", self.prefix, letter(place))
    }

    /// Reads a job subject.
    pub(crate) fn parse(&self, subject: &str) -> Option<ParsedSubject> {
        let rest = subject.strip_prefix(&*self.prefix)?.strip_prefix('.')?;
        let mut tokens = rest.splitn(3, '.');
        let place = match tokens.next()? {
            "q" => Place::Queue,
            "s" => Place::Schedule,
            "d" => Place::Dead,
            "r" => Place::Record,
            _ => return None,
        };
        let queue = QueueName::new(tokens.next()?).ok()?;
        Some(ParsedSubject { place, queue, id: tokens.next().and_then(|id| JobId::new(id).ok()) })
    }

    pub(crate) fn queue_stream(&self, queue: &QueueName) -> String {
        format!("{}_Q_{queue}", self.streams)
    }

    /// The queue of a stream. `None` if the stream is not a queue's.
    pub(crate) fn queue_of_stream(&self, stream: &str) -> Option<QueueName> {
        let queue = stream.strip_prefix(&*self.streams)?.strip_prefix("_Q_")?;
        QueueName::new(queue).ok()
    }

    pub(crate) fn dead_stream(&self) -> String {
        format!("{}_DEAD", self.streams)
    }

    pub(crate) fn records_stream(&self) -> String {
        format!("{}_RECORDS", self.streams)
    }

    pub(crate) fn workers_stream(&self) -> String {
        format!("{}_WORKERS", self.streams)
    }

    /// A worker's entry in the directory.
    pub(crate) fn worker(&self, id: &WorkerId) -> String {
        format!("{}.w.{id}", self.prefix)
    }

    pub(crate) fn all_workers(&self) -> String {
        format!("{}.w.>", self.prefix)
    }

    /// The stream of this part of the state store.
    pub(crate) fn state_stream(&self, part: StatePart) -> String {
        let name = match part {
            StatePart::Shared => "STATE",
            StatePart::Keys => "KEYS",
            StatePart::Audit => "AUDIT",
        };
        format!("{}_{name}", self.streams)
    }

    /// An entry of the state store: `naq.k.<key>`, or for the parts with a stream of their own `naq.u` or
    /// `naq.a` and the key without its first token.
    pub(crate) fn state(&self, key: &StateKey) -> String {
        let part = StatePart::of(key);
        let rest = part.kind().and_then(|kind| key.as_str().strip_prefix(kind));
        match rest {
            Some(rest) => format!("{}.{}{rest}", self.prefix, part.letter()),
            None => format!("{}.{}.{key}", self.prefix, part.letter()),
        }
    }

    /// All entries under a prefix, without the prefix itself.
    pub(crate) fn states(&self, prefix: &StateKey) -> String {
        format!("{}.>", self.state(prefix))
    }

    /// All entries of this part.
    pub(crate) fn all_states(&self, part: StatePart) -> String {
        format!("{}.{}.>", self.prefix, part.letter())
    }

    /// The key in the subject of an entry.
    pub(crate) fn state_key(&self, subject: &str) -> Option<StateKey> {
        let rest = subject.strip_prefix(&*self.prefix)?.strip_prefix('.')?;
        let (letter, rest) = rest.split_once('.')?;
        let part = StatePart::ALL.into_iter().find(|part| part.letter() == letter)?;
        match part.kind() {
            Some(kind) => format!("{kind}.{rest}").parse().ok(),
            None => rest.parse().ok(),
        }
    }

    pub(crate) fn blobs_stream(&self) -> String {
        format!("{}_BLOBS", self.streams)
    }

    /// `naq.b.<queue>.<id>.<name>.<n>`: one chunk of a blob.
    pub(crate) fn chunk(&self, job: &JobKey, name: &str, n: usize) -> String {
        format!("{}.b.{}.{}.{name}.{n}", self.prefix, job.queue, job.id)
    }

    /// `naq.b.<queue>.<id>.<name>.kept.<bytes>`: says that a blob is kept until it is removed, and its size.
    pub(crate) fn kept_blob(&self, job: &JobKey, blob: &BlobRef) -> String {
        let (name, bytes) = (blob.name(), blob.bytes());
        format!("{}.b.{}.{}.{name}.kept.{bytes}", self.prefix, job.queue, job.id)
    }

    /// The blobs of a queue that are kept until they are removed.
    pub(crate) fn kept_blobs(&self, queue: &QueueName) -> String {
        format!("{}.b.{queue}.*.*.kept.*", self.prefix)
    }

    /// Reads what [`kept_blob`](Self::kept_blob) has written.
    pub(crate) fn read_kept_blob(&self, queue: &QueueName, subject: &str) -> Option<KeptBlob> {
        let rest = subject.strip_prefix(&*self.prefix)?.strip_prefix(".b.")?;
        let mut tokens = rest.strip_prefix(queue.as_str())?.strip_prefix('.')?.split('.');
        let (id, name, kept, bytes) =
            (tokens.next()?, tokens.next()?, tokens.next()?, tokens.next()?);
        let job = JobKey::new(queue.clone(), JobId::new(id).ok()?);
        let blob = format!("{name}/{bytes}").parse().ok()?;
        (kept == "kept").then_some(KeptBlob { job, blob })
    }

    /// All chunks of a blob.
    pub(crate) fn chunks(&self, job: &JobKey, name: &str) -> String {
        format!("{}.b.{}.{}.{name}.*", self.prefix, job.queue, job.id)
    }

    pub(crate) fn all_blobs(&self) -> String {
        format!("{}.b.>", self.prefix)
    }

    pub(crate) fn stats_stream(&self) -> String {
        format!("{}_STATS", self.streams)
    }

    /// `naq.m.<worker>-<process>.<minute>`: the counts of one process of a worker in one minute.
    pub(crate) fn stats(&self, report: &StatsReport) -> String {
        format!("{}.m.{}.{}", self.prefix, report.source(), report.minute)
    }

    pub(crate) fn all_stats(&self) -> String {
        format!("{}.m.>", self.prefix)
    }

    /// The subject for signals, over core NATS.
    pub(crate) fn control(&self) -> String {
        format!("{}.ctl", self.prefix)
    }
}

/// The parts of the state store, each in a stream of its own. The first token of a key says the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatePart {
    /// What workers and operators share.
    Shared,
    /// Unique keys, which producers write.
    Keys,
    /// The audit log.
    Audit,
}

impl StatePart {
    pub(crate) const ALL: [Self; 3] = [Self::Shared, Self::Keys, Self::Audit];

    pub(crate) fn of(key: &StateKey) -> Self {
        let first = key.as_str().split('.').next();
        let own = Self::ALL.into_iter().find(|part| part.kind().is_some() && part.kind() == first);
        own.unwrap_or(Self::Shared)
    }

    /// The first token of the part's keys. `None` for the part of all other keys.
    fn kind(self) -> Option<&'static str> {
        match self {
            Self::Shared => None,
            Self::Keys => Some("key"),
            Self::Audit => Some("log"),
        }
    }

    fn letter(self) -> &'static str {
        match self {
            Self::Shared => "k",
            Self::Keys => "u",
            Self::Audit => "a",
        }
    }
}

fn letter(place: Place) -> char {
    match place {
        Place::Queue => 'q',
        Place::Schedule => 's',
        Place::Dead => 'd',
        Place::Record => 'r',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_round_trips() {
        let subjects = Subjects::new("naq").expect("a prefix");
        let key = JobKey::new(
            QueueName::new("retry_queue-2").expect("a name"),
            JobId::new("01ab_c-9").expect("an id"),
        );
        for place in [Place::Queue, Place::Schedule, Place::Dead, Place::Record] {
            let parsed = subjects.parse(&subjects.job(place, &key)).expect("parses");
            let id = Some(key.id.clone());
            assert_eq!(parsed, ParsedSubject { place, queue: key.queue.clone(), id });
        }
        let stream = subjects.stream(Place::Schedule, &key.queue);
        assert_eq!(stream, "NAQ_Q_retry_queue-2");
        assert_eq!(subjects.queue_of_stream(&stream), Some(key.queue));
    }

    #[test]
    fn an_invalid_job_subject_has_a_queue_and_no_id() {
        let subjects = Subjects::new("naq").expect("a prefix");
        for odd in ["naq.q.mail.a.b", "naq.q.mail", "naq.q.mail.", "naq.q.mail.ä", "naq.q.mail.*"]
        {
            let parsed = subjects.parse(odd).expect(odd);
            assert_eq!((parsed.queue.as_str(), parsed.id), ("mail", None), "{odd}");
        }
        for foreign in ["naq", "naq.x.mail.1", "naqq.q.mail.1", "other.q.mail.1", "naq.q", ""] {
            assert_eq!(subjects.parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn the_mark_of_a_kept_blob_round_trips() {
        let subjects = Subjects::new("naq").expect("a prefix");
        let queue = QueueName::default();
        let job = JobKey::new(queue.clone(), JobId::new("a").expect("an id"));
        let blob = BlobRef::new(5_000_000);
        let subject = subjects.kept_blob(&job, &blob);
        assert_eq!(subjects.read_kept_blob(&queue, &subject), Some(KeptBlob { job, blob }));
        for odd in ["naq.b.default.a.b.0", "naq.b.default.a.b.kept.x", "naq.b.other.a.b.kept.1"] {
            assert_eq!(subjects.read_kept_blob(&queue, odd), None, "{odd}");
        }
    }

    #[test]
    fn each_part_of_the_state_store_has_its_stream_and_its_subjects() {
        let subjects = Subjects::new("naq").expect("a prefix");
        for (tokens, subject, stream) in [
            (vec!["limit", "a"], "naq.k.limit.a", "NAQ_STATE"),
            (vec!["keys", "a"], "naq.k.keys.a", "NAQ_STATE"),
            (vec!["key", "mail", "a"], "naq.u.mail.a", "NAQ_KEYS"),
            (vec!["key", "a"], "naq.u.a", "NAQ_KEYS"),
            (vec!["log", "7"], "naq.a.7", "NAQ_AUDIT"),
            (vec!["log"], "naq.a", "NAQ_AUDIT"),
        ] {
            let key = StateKey::new(tokens).expect("a key");
            assert_eq!(subjects.state(&key), subject);
            assert_eq!(subjects.state_stream(StatePart::of(&key)), stream);
            let read = subjects.state_key(subject);
            assert_eq!(read, Some(key).filter(|_| subject != "naq.a"));
        }
        assert_eq!(subjects.state_key("naq.q.mail.a"), None);
    }

    #[test]
    fn a_prefix_that_could_break_a_name_is_refused() {
        for bad in ["", "NAQ", "a.b", "a_q", "a b", ">", "*", "ä", &"x".repeat(33)] {
            assert!(Subjects::new(bad).is_err(), "{bad}");
        }
        assert!(Subjects::new("team-a1").is_ok());
    }
}
