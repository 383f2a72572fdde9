//! E-mail: SMTP says itself what may pass (4xx) and what will not (5xx), and the handler passes it
//! on, so that no policy has to list it.

use naq::{Advice, Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{Shop, play};

/// Sends a mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMail {
    /// To whom.
    pub to: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<MailError>,
}

/// Why a mail was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MailError {
    /// The mail server answered with this code.
    #[error("the mail server answered {0}")]
    Smtp(u16),
    /// The mail server is not there.
    #[error("connection reset")]
    Reset,
}

impl Job for SendMail {
    const NAME: &'static str = "demo.mail";
    type Output = String;
}

impl JobError for MailError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Smtp(code) => {
                ErrorKind::new(format!("SMTPError.{code}")).unwrap_or(ErrorKind::ERROR)
            }
            Self::Reset => "ConnectionError.reset".into(),
        }
    }

    /// 5xx is for good: a mailbox that does not exist will not exist in five seconds.
    fn advice(&self) -> Advice {
        match self {
            Self::Smtp(500..) => Advice::Fatal,
            _ => Advice::Policy,
        }
    }
}

/// Hands the mail to the server.
///
/// # Errors
/// The fault of this attempt.
pub async fn send_mail(job: SendMail, cx: Context<Shop>) -> Result<String, MailError> {
    play(&job.faults, cx.attempt())?;
    Ok(format!("sent to {}", job.to))
}
