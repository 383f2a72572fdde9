//! [`Then`]: what follows an error, and [`Classes`]: what follows an exit code or a status.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use naq_core::{Advice, Failure};
use serde::{Deserialize, Deserializer, de};

/// What follows an error. As text: `policy`, `never`, `cancel`, `retry_after:10s`, `snooze:30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Then(Advice);

/// A text that is no [`Then`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ThenError {
    #[error("then {0:?}: use policy, never, cancel, retry_after or snooze")]
    Unknown(String),
    #[error("then {0:?} needs a delay")]
    NoDelay(String),
    #[error("then {0:?} takes no delay")]
    Delay(String),
    #[error("the delay {0:?}: use a duration, such as 30s")]
    NoDuration(String),
}

impl Then {
    /// By its name, and its delay if it has one.
    pub(crate) fn new(name: &str, after: Option<Duration>) -> Result<Self, ThenError> {
        let advice = match (name, after) {
            // A delay without a use is no reason to fail.
            ("policy", _) => Advice::Policy,
            ("never", _) => Advice::Fatal,
            ("cancel", _) => Advice::Cancel,
            ("retry_after", Some(delay)) => Advice::RetryAfter(delay),
            ("snooze", Some(delay)) => Advice::Snooze(delay),
            ("retry_after" | "snooze", None) => return Err(ThenError::NoDelay(name.into())),
            _ => return Err(ThenError::Unknown(name.chars().take(40).collect())),
        };
        Ok(Self(advice))
    }

    /// The failure with this advice.
    pub(crate) fn apply(self, failure: Failure) -> Failure {
        failure.with_advice(self.0)
    }
}

impl FromStr for Then {
    type Err = ThenError;

    fn from_str(text: &str) -> Result<Self, ThenError> {
        let Some((name, delay)) = text.split_once(':') else { return Self::new(text, None) };
        if matches!(name, "policy" | "never" | "cancel") {
            return Err(ThenError::Delay(text.into()));
        }
        let no_duration = |_| ThenError::NoDuration(delay.into());
        Self::new(name, Some(humantime::parse_duration(delay).map_err(no_duration)?))
    }
}

impl<'de> Deserialize<'de> for Then {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// What follows an exit code or a status, where the configuration says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Classes(BTreeMap<u16, Then>);

impl Classes {
    /// The failure with the advice for this code, or as it is.
    pub(crate) fn apply(&self, code: u16, failure: Failure) -> Failure {
        match self.0.get(&code) {
            Some(then) => then.apply(failure),
            None => failure,
        }
    }
}

/// The keys of a TOML table are texts.
impl<'de> Deserialize<'de> for Classes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let table = BTreeMap::<String, Then>::deserialize(d)?;
        let number = |code: String| {
            code.parse()
                .map_err(|_| de::Error::custom(format!("{code:?} is no code: use a number")))
        };
        let codes = table.into_iter().map(|(code, then)| Ok((number(code)?, then)));
        codes.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_says_what_follows() {
        let secs = Duration::from_secs;
        assert_eq!("never".parse(), Ok(Then(Advice::Fatal)));
        assert_eq!("snooze:1m".parse(), Ok(Then(Advice::Snooze(secs(60)))));
        assert_eq!("retry_after:7s".parse(), Ok(Then(Advice::RetryAfter(secs(7)))));
        for (text, error) in [
            ("snooze", "needs a delay"),
            ("never:5s", "takes no delay"),
            ("later", "use policy, never"),
            ("snooze:soon", "use a duration"),
        ] {
            let err = text.parse::<Then>().expect_err(text).to_string();
            assert!(err.contains(error), "{err}");
        }
    }
}
