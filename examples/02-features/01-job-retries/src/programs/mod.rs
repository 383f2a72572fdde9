//! The three programs. Each enqueues its jobs, and says of each what should come of it.

mod advanced;
mod basic;
mod realistic;

pub use advanced::advanced;
pub use basic::basic;
pub use realistic::realistic;

/// All of them, one after the other.
///
/// # Errors
/// The broker cannot be reached, or no worker is there.
pub async fn all(stage: &mut crate::stage::Stage) -> anyhow::Result<()> {
    basic(stage).await?;
    advanced(stage).await?;
    realistic(stage).await
}
