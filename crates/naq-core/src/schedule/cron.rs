//! [`Cron`]: a cron expression, and what a change of the clock does to it.
//!
//! The expression itself is matched on plain civil times, which know no zone. How those become
//! moments is decided here, by the rule of Vixie's cron:
//!
//! - With fixed times (no `*` in hour, minute or second): a time that the clock skips comes in the
//!   moment after the gap, once; a time that comes twice counts the first time.
//! - With a `*` there, it goes by elapsed time: what the clock skips does not come, and what comes
//!   twice counts twice.

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

/// A cron expression: minute, hour, day of month, month, day of week, with seconds before them or
/// not; lists, ranges, steps, names (`MON`, `JAN`), `L`, `W`, `#`; or a nickname such as `@hourly`.
/// Where both days are given either fits, as in every cron.
#[derive(Clone)]
pub struct Cron {
    text: String,
    pattern: Arc<croner::Cron>,
    /// Whether it counts hours and minutes as they pass, not as a clock on the wall shows them.
    elapsed: bool,
}

/// The longest expression, in bytes.
const MAX_LEN: usize = 256;
const NICKNAMES: [&str; 7] =
    ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

impl Cron {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// In words, in English: `At 03:00.`
    pub fn describe(&self) -> String {
        self.pattern.describe()
    }

    /// The first moment after `after` at which it comes; none when it never comes again.
    pub fn next_after(&self, after: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let (after, rules) = (to_jiff(after), zone.rules());
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
            // While an hour is repeated, civil times lead back into its first half.
            let moment = first_moment(civil, rules)?;
            if moment > after {
                return Some(moment);
            }
        }
    }

    /// From one change of the clock to the next, each stretch with its own offset.
    fn by_elapsed_time(&self, after: Moment, rules: &TimeZone) -> Option<Moment> {
        let (mut from, mut inclusive) = (after, false);
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

/// The first moment at which clocks show this time, or for a time that they skip the moment in
/// which they do.
fn first_moment(civil: DateTime, rules: &TimeZone) -> Option<Moment> {
    match rules.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            let short_before = after.to_timestamp(civil).ok()?;
            rules.following(short_before).next().map(|change| change.timestamp())
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
