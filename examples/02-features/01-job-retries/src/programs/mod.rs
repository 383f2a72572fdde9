//! The three programs. Each enqueues its jobs, and says how each job should end.

mod advanced;
mod basic;
mod realistic;

pub use advanced::advanced;
pub use basic::basic;
pub use realistic::realistic;

/// Runs all programs, one after the other.
///
/// # Errors
/// The broker cannot be reached, or no worker runs.
pub async fn all(demo: &mut crate::demo::DemoRun) -> anyhow::Result<()> {
    basic(demo).await?;
    advanced(demo).await?;
    realistic(demo).await
}
