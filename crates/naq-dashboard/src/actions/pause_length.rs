//! [`PauseLength`]: how long a queue or a task is to be paused.

use std::fmt;
use std::time::Duration;

use super::ActionError;
use super::form_fields::FormFields;
use crate::view::span;

/// The length of a pause; none for a pause that an operator has to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct PauseLength(pub(super) Option<Duration>);

impl PauseLength {
    /// The field `for` of the form.
    pub(super) fn read(form: &FormFields) -> Result<Self, ActionError> {
        let length = form.span("for")?;
        if length.is_some_and(|length| length.is_zero()) {
            return Err(ActionError::bad_request(
                "a pause of length 0 pauses nothing: leave the field empty to pause without an end",
            ));
        }
        Ok(Self(length))
    }
}

impl fmt::Display for PauseLength {
    /// `for 15 min`, `until it is resumed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(length) => write!(f, "for {}", span(length)),
            None => f.write_str("until it is resumed"),
        }
    }
}
