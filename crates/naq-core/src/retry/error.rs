//! [`PolicyError`]: what is wrong with a policy, and what is allowed instead.

use std::fmt::Display;

/// At most this much of a refused part is repeated in the error, so that hostile input stays short.
const SHOWN_CHARS: usize = 80;

/// A policy that NAQ refuses, with what it may look like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A setting has a value that it cannot have.
    #[error("invalid {key} {value:?}: {allowed}")]
    Invalid {
        /// The setting.
        key: &'static str,
        /// The value, shortened.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A setting was given that has no effect with the strategy.
    #[error("{key} has no effect with strategy {given}: use strategy {needed}, or leave it out")]
    NoEffect {
        /// The setting.
        key: &'static str,
        /// The policy's strategy.
        given: &'static str,
        /// The strategy that the setting belongs to.
        needed: &'static str,
    },
    /// The text does not start with a strategy and a delay, nor with a preset.
    #[error(
        "malformed start of the policy {0:?}: write STRATEGY:DELAY[/DELAY...] with strategy fixed, \
         linear or exponential, as in `exponential:2s`, or one of {presets}",
        presets = super::RetryPolicy::PRESETS.join(", ")
    )]
    Start(String),
    /// A part of the text is not `key=value`.
    #[error("malformed part {0:?}: write key=value, with key one of {keys}", keys = super::text::KEYS.join(", "))]
    Part(String),
    /// A key that no policy has.
    #[error("unknown key {0:?}: use one of {keys}", keys = super::text::KEYS.join(", "))]
    UnknownKey(String),
    /// Something is given twice.
    #[error("{0:?} is given twice: give it once")]
    Repeated(String),
    /// The text is longer than any policy.
    #[error("the policy has {0} bytes: use at most {max}", max = super::RetryPolicy::MAX_TEXT_LEN)]
    TooLong(usize),
}

impl PolicyError {
    pub(super) fn invalid(
        key: &'static str,
        value: impl Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Invalid { key, value: shown(&value.to_string()), allowed: allowed.into() }
    }
}

pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
