//! The handler of `naq.wake`: a job has ended, and the jobs that depend on it are released.

use naq_client::Wake;
use naq_core::wire::Nonce;
use naq_core::{ErrorKind, Failure};

use crate::handler::Context;

/// How often a chore looks for the record of the end. A replica may be behind.
const READS: u32 = 4;

/// Releases the dependents if the stored facts say that the job has ended. The chore's own word does not
/// count: a user who may write to the queue of chores could enqueue one.
pub(super) async fn release(end: Wake, cx: Context) -> Result<(), Failure> {
    let life =
        Nonce::parse(&end.life).map_err(|e| Failure::new(ErrorKind::VALUE, e.to_string()))?;
    let woken = cx.client().wake_dependents_of_ended(&end.job, &life).await;
    match woken {
        Ok(false) if cx.attempt() < READS => {
            let what = format!("no record says that job {} has ended", end.job);
            Err(Failure::new(ErrorKind::CONNECTION, what))
        }
        // The record has expired, or it never existed. Each dependent looks at its parents by itself, too.
        Ok(_) => Ok(()),
        Err(err) => Err(Failure::new(ErrorKind::CONNECTION, err.to_string())),
    }
}
