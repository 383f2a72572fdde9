//! [`PolicyError`]: which part of a policy is invalid, and what is allowed instead.

use std::fmt::Display;

/// An error repeats at most this much of a refused text, so that hostile input stays short.
const SHOWN_CHARS: usize = 80;

/// A policy is invalid. The text names the part and says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The value of a setting is invalid.
    #[error("invalid {key} {value:?}: {allowed}")]
    Invalid {
        /// The name of the setting.
        key: &'static str,
        /// The value, at most 80 characters of it.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A setting has no effect with the strategy of the policy.
    #[error("{key} has no effect with strategy {given}: use strategy {needed}, or leave it out")]
    NoEffect {
        /// The name of the setting.
        key: &'static str,
        /// The strategy of the policy.
        given: &'static str,
        /// The strategy that the setting belongs to.
        needed: &'static str,
    },
    /// The text starts neither with a strategy and a delay nor with a preset.
    #[error(
        "malformed start of the policy {0:?}: write STRATEGY:DELAY[/DELAY...] with strategy fixed, \
         linear or exponential, as in `exponential:2s`, or one of {presets}",
        presets = super::RetryPolicy::PRESETS.join(", ")
    )]
    Start(String),
    /// A part of the text is not `key=value`.
    #[error("malformed part {0:?}: write key=value, with key one of {keys}", keys = super::RetryPolicy::KEYS.join(", "))]
    Part(String),
    /// A key is unknown.
    #[error("unknown key {0:?}: use one of {keys}", keys = super::RetryPolicy::KEYS.join(", "))]
    UnknownKey(String),
    /// A key or an error kind is given twice.
    #[error("{0:?} is given twice: give it once")]
    Repeated(String),
    /// The text is longer than [`RetryPolicy::MAX_TEXT_LEN`](super::RetryPolicy::MAX_TEXT_LEN).
    #[error("the policy has {0} bytes: use at most {max}", max = super::RetryPolicy::MAX_TEXT_LEN)]
    TooLong(usize),
}

impl PolicyError {
    pub(super) fn invalid(
        key: &'static str,
        value: impl Display,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Invalid { key, value: shorten(&value.to_string()), allowed: allowed.into() }
    }
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
