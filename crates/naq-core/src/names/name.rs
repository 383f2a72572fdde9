//! The names of queues, tasks, jobs, schedules and workers.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name is invalid. The text says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {value:?}: {allowed}")]
pub struct NameError {
    what: &'static str,
    value: String,
    allowed: &'static str,
}

/// An error repeats at most this much of a refused name, so that hostile input stays short.
const SHOWN_CHARS: usize = 80;

fn check(
    what: &'static str,
    allowed: &'static str,
    max: usize,
    extra: &str,
    value: &str,
) -> Result<(), NameError> {
    let fits = !value.is_empty()
        && value.len() <= max
        && value.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
    if fits {
        return Ok(());
    }
    Err(NameError { what, value: value.chars().take(SHOWN_CHARS).collect(), allowed })
}

macro_rules! name {
    ($(#[$doc:meta])* $ty:ident, $what:literal, $max:literal, $extra:literal, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $ty(Arc<str>);

        impl $ty {
            /// The longest name, in bytes.
            pub const MAX_LEN: usize = $max;

            /// The name, checked.
            ///
            /// # Errors
            /// [`NameError`] if it is empty, too long, or has an invalid character.
            pub fn new(value: impl AsRef<str>) -> Result<Self, NameError> {
                let value = value.as_ref();
                check($what, $allowed, $max, $extra, value)?;
                Ok(Self(value.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $ty {
            type Err = NameError;

            fn from_str(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }

        impl TryFrom<&str> for $ty {
            type Error = NameError;

            fn try_from(s: &str) -> Result<Self, NameError> {
                Self::new(s)
            }
        }

        impl TryFrom<String> for $ty {
            type Error = NameError;

            fn try_from(s: String) -> Result<Self, NameError> {
                Self::new(s)
            }
        }

        impl AsRef<str> for $ty {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct NameVisitor;
                impl Visitor<'_> for NameVisitor {
                    type Value = $ty;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", $what))
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$ty, E> {
                        $ty::new(text).map_err(E::custom)
                    }
                }
                d.deserialize_str(NameVisitor)
            }
        }
    };
}

name!(
    /// The name of a queue. It becomes one subject token and part of a stream name, so it has no
    /// dots: `mail`, `retry_queue`.
    QueueName, "queue name", 64, "_-",
    "use 1 to 64 letters, digits, `_` or `-`"
);
/// The queue of chores, the jobs of NAQ itself: ticks of schedules, and releases of blocked jobs.
pub const CHORES: &str = "naq-chores";

name!(
    /// The name of a task, which is the name of its handler: `email.send`.
    TaskName, "task name", 128, "_-.:/",
    "use 1 to 128 letters, digits, `_`, `-`, `.`, `:` or `/`"
);
/// Checks that a job with this task may be enqueued to this queue by a user: names that begin with `naq.`
/// are tasks of NAQ's own, and [`CHORES`] is their queue.
///
/// # Errors
/// A sentence that says which name is reserved.
pub fn check_unreserved(task: &TaskName, queue: Option<&QueueName>) -> Result<(), String> {
    if task.as_str().starts_with("naq.") {
        return Err(format!("task {task}: names that begin with `naq.` are reserved; use another"));
    }
    match queue {
        Some(queue) if queue.as_str() == CHORES => {
            Err(format!("queue {queue} is reserved for NAQ's own jobs; use another"))
        }
        _ => Ok(()),
    }
}

name!(
    /// The id of a job: one subject token. The client makes one from a UUIDv7 if none is given.
    JobId, "job id", 128, "_-",
    "use 1 to 128 letters, digits, `_` or `-`"
);
name!(
    /// The name of a schedule. The ids of its runs begin with it.
    ScheduleName, "schedule name", 100, "_-",
    "use 1 to 100 letters, digits, `_` or `-`"
);
name!(
    /// The id of a worker, unique among live workers.
    WorkerId, "worker id", 128, "_-",
    "use 1 to 128 letters, digits, `_` or `-`"
);

impl QueueName {
    /// The queue of a job that names none: `default`.
    pub fn default_queue() -> Self {
        Self("default".into())
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self::default_queue()
    }
}

impl JobId {
    /// A new id from a UUIDv7. Ids that are made later sort later.
    #[cfg(feature = "jobs")]
    pub fn random() -> Self {
        let mut text = uuid::Uuid::encode_buffer();
        let text: &str = uuid::Uuid::now_v7().hyphenated().encode_lower(&mut text);
        Self(text.into())
    }

    /// The id made from these parts, joined by `-`. The same parts always give the same id. If the
    /// result is too long or has an invalid character, it is replaced by its beginning and a hash.
    ///
    /// ```
    /// # use naq_core::JobId;
    /// assert_eq!(JobId::derived(["order-7", "invoice"]).as_str(), "order-7-invoice");
    /// assert_ne!(JobId::derived(["order-7", "page 1"]), JobId::derived(["order-7", "page.1"]));
    /// ```
    pub fn derived<P: AsRef<str>>(parts: impl IntoIterator<Item = P>) -> Self {
        const SHOWN: usize = 90;
        let parts: Vec<P> = parts.into_iter().collect();
        let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
        let plain = parts.join("-");
        if let Ok(id) = Self::new(&plain) {
            return id;
        }
        let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let shown: String = plain.chars().take(SHOWN).map(allowed).collect();
        let hash = |seed: u64| {
            plain.bytes().fold(seed, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        // Two 64-bit FNV-1a hashes: the standard one, and one with another start value.
        let (a, b) = (hash(0xcbf2_9ce4_8422_2325), hash(0x9e37_79b9_7f4a_7c15));
        Self(format!("{shown}-{a:016x}{b:016x}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_a_subject_are_refused() {
        for bad in ["", "a.b", "a b", "a*", ">", "a\n", "ä", "a\u{202e}b", &"x".repeat(65)] {
            assert!(QueueName::new(bad).is_err(), "{bad:?}");
        }
        assert!(QueueName::new("retry_queue-2").is_ok());
    }

    #[test]
    fn the_error_names_the_value_and_what_is_allowed() {
        let err = QueueName::new("a.b").expect_err("dots are refused");
        assert_eq!(
            err.to_string(),
            "invalid queue name \"a.b\": use 1 to 64 letters, digits, `_` or `-`"
        );
    }

    #[test]
    fn a_hostile_name_is_shown_short_and_escaped() {
        let err = TaskName::new("\u{1b}[2J".repeat(1000)).expect_err("control characters");
        let text = err.to_string();
        assert!(text.len() < 1000 && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn derived_ids_are_valid_and_always_the_same() {
        let long = "x".repeat(128);
        for parts in [vec!["a", "b"], vec!["a b", "ä"], vec![&long, "b"], vec![&long, "c"], vec![]]
        {
            let id = JobId::derived(&parts);
            assert_eq!(id, JobId::derived(&parts));
            assert_eq!(JobId::new(id.as_str()), Ok(id), "{parts:?}");
        }
        assert_ne!(JobId::derived([&*long, "b"]), JobId::derived([&*long, "c"]));
    }

    #[cfg(feature = "jobs")]
    #[test]
    fn random_ids_are_valid_and_differ() {
        let (a, b) = (JobId::random(), JobId::random());
        assert_ne!(a, b);
        assert_eq!(JobId::new(a.as_str()), Ok(a));
    }
}
