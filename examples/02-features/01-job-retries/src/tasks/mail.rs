//! E-mail. SMTP says which errors are temporary (4xx) and which are permanent (5xx). The handler passes
//! that on as advice, so no policy has to list the codes.

use naq::{Advice, Context, ErrorKind, Job, JobError};
use serde::{Deserialize, Serialize};

use super::{Shop, fail_as_planned};

/// Sends a mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMail {
    /// The address.
    pub to: String,
    /// What goes wrong, attempt by attempt.
    pub faults: Vec<MailError>,
}

/// Why the mail server did not accept a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MailError {
    /// The mail server answered with this code.
    #[error("the mail server answered {0}")]
    Smtp(u16),
    /// The connection to the mail server broke.
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

    /// 5xx is permanent: a mailbox that does not exist will not exist in five seconds.
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
    fail_as_planned(&job.faults, cx.attempt())?;
    Ok(format!("sent to {}", job.to))
}
