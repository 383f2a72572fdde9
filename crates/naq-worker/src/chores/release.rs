//! The handler of `naq.wake`: a job has ended, and the jobs that depend on it are released.

use naq_client::Wake;
use naq_core::wire::Nonce;
use naq_core::{ErrorKind, Failure};

use crate::handler::Context;

pub(super) async fn release(end: Wake, cx: Context) -> Result<(), Failure> {
    let life =
        Nonce::parse(&end.life).map_err(|e| Failure::new(ErrorKind::VALUE, e.to_string()))?;
    let woken = cx.client().wake_dependents(&end.job, &life, end.state).await;
    woken.map_err(|err| Failure::new(ErrorKind::CONNECTION, err.to_string()))
}
