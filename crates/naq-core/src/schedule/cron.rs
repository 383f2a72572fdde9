//! [`Cron`]: a cron expression, and how it behaves when clocks change.
//!
//! The expression is matched on civil times, which have no zone. This file turns them into points in
//! time by the rule of Vixie cron:
//!
//! - With fixed times (no `*` in hour, minute or second): a time that the clock skips ticks once, just
//!   after the gap. A time that occurs twice ticks the first time.
//! - With a `*` there, elapsed time counts: a time that the clock skips does not tick, and a time that
//!   occurs twice ticks twice.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp as Moment;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::zone::{from_jiff, to_jiff};
use super::{ScheduleFault, Zone};
use crate::clock::Timestamp;

/// A cron expression: minute, hour, day of month, month, day of week, optionally with seconds before
/// them. It has lists, ranges, steps, names (`MON`, `JAN`), `L`, `W`, `#`, and nicknames such as
/// `@hourly`. If both days are given, one that matches is enough, as in every cron.
#[derive(Clone)]
pub struct Cron {
    text: String,
    pattern: Arc<croner::Cron>,
    /// Whether it goes by elapsed time, and not by the time that a clock on the wall shows.
    elapsed: bool,
}

/// The longest expression, in bytes.
const MAX_LEN: usize = 256;
const NICKNAMES: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

impl Cron {
    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The expression in English words: `At 03:00.`
    pub fn describe(&self) -> String {
        self.pattern.describe()
    }

    /// The first tick after `after`. `None` if there is none.
    pub fn next_after(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let after = to_jiff(after);
        let rules = zone.rules();
        let next = if self.elapsed {
            self.by_elapsed_time(after, rules)
        } else {
            self.by_the_wall_clock(after, rules)
        };
        next.map(from_jiff)
    }

    fn by_the_wall_clock(&self, after: Moment, rules: &TimeZone) -> Option<Moment> {
        let mut civil = rules.to_datetime(after);
        loop {
            civil = self.next_civil(civil, false)?;
            // While an hour is repeated, a civil time gives its first occurrence, which may be past.
            let moment = first_occurrence(civil, rules)?;
            if moment > after {
                return Some(moment);
            }
        }
    }

    /// Searches from one change of the clock to the next, each time with the offset that is in force.
    fn by_elapsed_time(&self, after: Moment, rules: &TimeZone) -> Option<Moment> {
        let mut from = after;
        let mut inclusive = false;
        loop {
            let offset = rules.to_offset(from);
            let civil = self.next_civil(offset.to_datetime(from), inclusive)?;
            let moment = offset.to_timestamp(civil).ok()?;
            match rules.following(from).next() {
                Some(change) if change.timestamp() <= moment => {
                    (from, inclusive) = (change.timestamp(), true);
                }
                _ => return Some(moment),
            }
        }
    }

    fn next_civil(&self, from: DateTime, inclusive: bool) -> Option<DateTime> {
        let whole = from.with().subsec_nanosecond(0).build().ok()?;
        let from = whole.to_zoned(TimeZone::UTC).ok()?;
        let next = self.pattern.find_next_occurrence(&from, inclusive).ok()?;
        Some(next.datetime())
    }
}

/// The first point in time at which clocks show this civil time. If clocks skip it, the time at which
/// they do.
fn first_occurrence(civil: DateTime, rules: &TimeZone) -> Option<Moment> {
    match rules.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            let before_gap = after.to_timestamp(civil).ok()?;
            rules.following(before_gap).next().map(|change| change.timestamp())
        }
    }
}

impl FromStr for Cron {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let bad =
            |reason: String| ScheduleFault::Cron { text: text.chars().take(80).collect(), reason };
        if text.len() > MAX_LEN {
            return Err(bad(format!("longer than {MAX_LEN} bytes")));
        }
        if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(bad("it has characters that no expression has".into()));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let text = fields.join(" ");
        let nickname = text.starts_with('@');
        if nickname && !NICKNAMES.contains(&text.to_ascii_lowercase().as_str()) {
            return Err(bad("no such nickname".into()));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let known = if text.eq_ignore_ascii_case("@midnight") { "@daily" } else { &text };
        let pattern = parser
            .parse(known)
            .map_err(|err| bad(err.to_string().trim_end_matches('.').to_owned()))?;
        let times = fields.len().saturating_sub(3);
        let elapsed = if nickname {
            text.eq_ignore_ascii_case("@hourly")
        } else {
            fields[..times].iter().any(|field| field.starts_with(['*', '?']))
        };
        Ok(Self { text, pattern: Arc::new(pattern), elapsed })
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}
