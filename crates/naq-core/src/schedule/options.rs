//! [`CatchUp`] and [`Overlap`]: what happens to missed ticks, and to ticks while a run has not ended.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ScheduleFault;

/// The most missed ticks that are considered: the last thousand.
pub const MAX_CATCH_UP: usize = 1_000;

/// What happens to ticks that were missed because no worker ran, or the broker was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CatchUp {
    /// None of them runs, except the last one if it is at most [`ON_TIME`](super::ON_TIME) late.
    Skip,
    /// The last of them runs, even if it is late.
    #[default]
    Last,
    /// All of them run, each with its own id, at most the last [`MAX_CATCH_UP`].
    All,
}

/// What a tick does while the last run has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// It runs at the same time.
    #[default]
    Allow,
    /// It does not run.
    Skip,
    /// It waits until that run has ended. At most one tick waits; further ticks do not run.
    Queue,
}

macro_rules! text {
    ($ty:ident, $what:literal, $($name:literal = $variant:ident),*) => {
        impl $ty {
            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $ty {
            type Err = ScheduleFault;

            fn from_str(text: &str) -> Result<Self, ScheduleFault> {
                match text {
                    $($name => Ok(Self::$variant),)*
                    _ => {
                        let shown: String = text.chars().take(40).collect();
                        let known = [$($name),*].join(", ");
                        Err(ScheduleFault::Option(format!(
                            concat!("unknown ", $what, " {:?}: use one of {}"), shown, known
                        )))
                    }
                }
            }
        }
    };
}

text!(CatchUp, "catch-up", "skip" = Skip, "last" = Last, "all" = All);
text!(Overlap, "overlap", "allow" = Allow, "skip" = Skip, "queue" = Queue);
