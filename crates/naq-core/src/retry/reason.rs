//! [`Decision::reason`]: a decision as one sentence.

use super::decision::ReasonDetail;
use super::duration::{BriefDuration, CompactDuration};
use super::{Action, Decision, Jitter, Rule};
use crate::failure::ErrorKind;

impl Decision {
    /// Why this was decided, in one sentence for people. Programs read [`Decision::rule`] instead.
    pub fn reason(&self) -> String {
        match self.rule {
            Rule::Undecodable => return "the message cannot be decoded".into(),
            Rule::Signature => return "its queue takes only signed jobs".into(),
            Rule::Encryption => return "its arguments cannot be decrypted".into(),
            Rule::Arguments => return "its arguments cannot be read from their blob".into(),
            Rule::UnknownTask => return "no worker knows this task".into(),
            Rule::Unknown => return "decided by a newer version of NAQ".into(),
            _ => {}
        }
        if let ReasonDetail::Crashes { crashes, limit } = &self.reason_data.detail {
            let times = if *crashes == 1 { "time" } else { "times" };
            return format!(
                "poison: its worker or handler died {crashes} {times}, max_crashes is {limit}"
            );
        }
        if let ReasonDetail::Sentence(sentence) = &self.reason_data.detail {
            return sentence.clone();
        }
        format!("{}{}", self.what_happened(), self.what_follows())
    }

    fn what_happened(&self) -> String {
        let data = &self.reason_data;
        let attempt = match data.max_attempts {
            0 => "the attempt".to_owned(), // no policy made this decision
            max => format!("attempt {} of {max}", data.attempt),
        };
        match (&data.kind, self.rule) {
            (_, Rule::Cancel) => format!("{attempt} cancelled the job"),
            (_, Rule::Snooze) => format!("{attempt} asked to run again"),
            (_, Rule::Crash) => format!("what ran {attempt} died"),
            (_, Rule::Succeeded) => format!("{attempt} succeeded"),
            (Some(kind), _) => format!("{attempt} failed with {kind}"),
            (None, _) => attempt,
        }
    }

    fn what_follows(&self) -> String {
        let retry = self.reason_data.attempt;
        let wait = self.action.delay().map(BriefDuration);
        match (&self.reason_data.detail, self.rule, wait) {
            (_, Rule::Snooze, Some(wait)) => format!(" in {wait}, which counts as no attempt"),
            (_, Rule::Crash, Some(wait)) => {
                format!(": it runs again in {wait}, which counts as a crash and as no attempt")
            }
            (_, Rule::RetryAfter, Some(wait)) => {
                format!(": retry {retry} in {wait}, as the handler asked")
            }
            (ReasonDetail::Strategy { strategy, list, jitter }, _, Some(wait)) => {
                let how = if *list { "listed delay" } else { strategy.as_str() };
                let spread = match jitter {
                    Jitter::None => String::new(),
                    jitter => format!(", jitter {jitter}"),
                };
                format!(": retry {retry} in {wait} ({how}{spread})")
            }
            (ReasonDetail::Listed(kind), ..) => format!(", and ignore_on has {kind}"),
            (ReasonDetail::TooLate { after, limit }, ..) => format!(
                ": retry {retry} would start {} after the first attempt, retry_for is {}",
                CompactDuration(*after),
                CompactDuration(*limit)
            ),
            (ReasonDetail::PastDeadline { start, deadline }, ..) => match self.action {
                Action::Dead => {
                    format!(": retry {retry} would start at {start}, the deadline is {deadline}")
                }
                _ => format!(" would start at {start}, the deadline is {deadline}"),
            },
            (_, Rule::Fatal, _) if self.reason_data.kind == Some(ErrorKind::DECODE) => {
                ", and a retry would get the same arguments".into()
            }
            (_, Rule::Fatal, _) => ", and the handler said never to retry it".into(),
            (_, Rule::MaxRetries, _) => ", and no retry is left".into(),
            (_, Rule::RetryOn, _) => ", which retry_on does not have".into(),
            _ => String::new(),
        }
    }
}
