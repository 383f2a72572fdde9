//! The text form of a policy: `STRATEGY:DELAY[/DELAY...][,key=value...]`. The name of a preset can
//! stand in place of `STRATEGY:DELAY`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::duration::{self, CompactDuration};
use super::error::shorten;
use super::{Delay, Jitter, PolicyBuilder, PolicyError, RetryPolicy, Strategy};
use crate::ErrorKind;

impl FromStr for RetryPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > Self::MAX_TEXT_LEN {
            return Err(PolicyError::TooLong(text.len()));
        }
        let mut parts = text.split(',');
        let mut builder = parse_start(parts.next().unwrap_or_default())?;
        let mut seen = Vec::new();
        for part in parts {
            let (key, value) =
                part.split_once('=').ok_or_else(|| PolicyError::Part(shorten(part)))?;
            builder = apply_setting(builder, key, value)?;
            if seen.contains(&key) {
                return Err(PolicyError::Repeated(shorten(key)));
            }
            seen.push(key);
        }
        builder.try_build()
    }
}

fn parse_start(text: &str) -> Result<PolicyBuilder, PolicyError> {
    if let Some(preset) = RetryPolicy::preset(text) {
        return Ok(preset.to_builder());
    }
    let (strategy, delay) =
        text.split_once(':').ok_or_else(|| PolicyError::Start(shorten(text)))?;
    let delay: Delay = delay.parse()?;
    Ok(RetryPolicy::builder().strategy(strategy.parse()?).delay(delay))
}

fn apply_setting(b: PolicyBuilder, key: &str, value: &str) -> Result<PolicyBuilder, PolicyError> {
    Ok(match key {
        "max_retries" => b.max_retries(parse_count("max_retries", value)?),
        "increment" => b.increment(parse_duration("increment", value)?),
        "multiplier" => b.multiplier(value.parse().map_err(|_| {
            let allowed = format!("use a number from 1 to {}", RetryPolicy::MAX_MULTIPLIER);
            PolicyError::invalid("multiplier", value, allowed)
        })?),
        "max_delay" => b.max_delay(parse_duration("max_delay", value)?),
        "jitter" => b.jitter(value.parse()?),
        "retry_on" => b.retry_on(parse_kinds("retry_on", value)?),
        "ignore_on" => b.ignore_on(parse_kinds("ignore_on", value)?),
        "retry_for" => b.retry_for(parse_duration("retry_for", value)?),
        "max_crashes" => b.max_crashes(parse_count("max_crashes", value)?),
        _ => return Err(PolicyError::UnknownKey(shorten(key))),
    })
}

fn parse_count(key: &'static str, value: &str) -> Result<u32, PolicyError> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or_else(|| {
        PolicyError::invalid(key, value, format!("use a whole number up to {}", u32::MAX))
    })
}

fn parse_duration(key: &'static str, value: &str) -> Result<Duration, PolicyError> {
    duration::read_duration(value)
        .ok_or_else(|| PolicyError::invalid(key, value, duration::ALLOWED))
}

fn parse_kinds(key: &'static str, value: &str) -> Result<Vec<ErrorKind>, PolicyError> {
    let mut kinds: Vec<ErrorKind> = Vec::new();
    for part in value.split('|') {
        let kind = part.parse().map_err(|_| {
            let allowed =
                "use error kinds such as ConnectionError or HTTPError.503, separated by |";
            PolicyError::invalid(key, part, allowed)
        })?;
        if kinds.contains(&kind) {
            return Err(PolicyError::Repeated(shorten(part)));
        }
        kinds.push(kind);
    }
    Ok(kinds)
}

/// Writes the settings that differ from the defaults. The text parses to an equal policy.
impl fmt::Display for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.strategy, self.delay)?;
        if self.max_retries != Self::DEFAULT_MAX_RETRIES {
            write!(f, ",max_retries={}", self.max_retries)?;
        }
        if let Some(increment) = self.increment {
            write!(f, ",increment={}", CompactDuration(increment))?;
        }
        if self.multiplier != Self::DEFAULT_MULTIPLIER {
            write!(f, ",multiplier={}", self.multiplier)?;
        }
        if self.max_delay != Self::default_max_delay(&self.delay) {
            write!(f, ",max_delay={}", CompactDuration(self.max_delay))?;
        }
        if self.jitter != Jitter::None {
            write!(f, ",jitter={}", self.jitter)?;
        }
        for (key, kinds) in [("retry_on", &self.retry_on), ("ignore_on", &self.ignore_on)] {
            for (i, kind) in kinds.iter().enumerate() {
                let lead = if i == 0 { format!(",{key}=") } else { "|".into() };
                write!(f, "{lead}{kind}")?;
            }
        }
        if let Some(limit) = self.retry_for {
            write!(f, ",retry_for={}", CompactDuration(limit))?;
        }
        if self.max_crashes != Self::DEFAULT_MAX_CRASHES {
            write!(f, ",max_crashes={}", self.max_crashes)?;
        }
        Ok(())
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, delay) in self.as_slice().iter().enumerate() {
            let lead = if i == 0 { "" } else { "/" };
            write!(f, "{lead}{}", CompactDuration(*delay))?;
        }
        Ok(())
    }
}

/// `5s`, or a list: `2s/5s/10s`.
impl FromStr for Delay {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text.split_once('/') {
            None => parse_duration("delay", text).map(Self::Every),
            Some(_) => text
                .split('/')
                .map(|d| parse_duration("delay", d))
                .collect::<Result<_, _>>()
                .map(Self::List),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Strategy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::ALL.iter().copied().find(|s| s.as_str() == text).ok_or_else(|| {
            PolicyError::invalid("strategy", text, "use fixed, linear or exponential")
        })
    }
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Full => f.write_str("full"),
            Self::Equal => f.write_str("equal"),
            Self::Decorrelated => f.write_str("decorrelated"),
            Self::Factor(factor) => write!(f, "{factor}"),
        }
    }
}

/// A name, or a factor from 0 to 1.
impl FromStr for Jitter {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        match text {
            "none" => Ok(Self::None),
            "full" => Ok(Self::Full),
            "equal" => Ok(Self::Equal),
            "decorrelated" => Ok(Self::Decorrelated),
            _ => match text.parse() {
                Ok(factor) if (0.0..=1.0).contains(&factor) => Ok(Self::Factor(factor)),
                _ => Err(PolicyError::invalid("jitter", text, Self::ALLOWED)),
            },
        }
    }
}
