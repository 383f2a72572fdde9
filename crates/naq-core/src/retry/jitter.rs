//! [`Jitter`]: how retries that failed together are spread over time.

/// How a delay `d` is spread. The result never exceeds the policy's `max_delay`.
///
/// The names are those of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). The random
/// numbers are computed from the job id, so that every program computes the same delays;
/// `docs/retries.md` has the algorithm and test vectors.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Jitter {
    /// Exactly `d`.
    #[default]
    None,
    /// From 0 to `d`.
    Full,
    /// From `d / 2` to `d`.
    Equal,
    /// From `d * (1 - f)` to `d`, with `f` from 0 to 1.
    Factor(f64),
    /// From `d` to three times the previous delay. The first is from `d` to three times `d`.
    Decorrelated,
}

impl Jitter {
    pub(super) const ALLOWED: &'static str =
        "use none, full, equal, decorrelated, or a factor from 0 to 1";

    /// The shortest and the longest delay, in milliseconds, when the delay without jitter is `d`.
    /// `d` is at most `cap`. Only `Decorrelated` reads `previous`, the delay before this one.
    pub(super) fn range(self, d: u64, previous: u64, cap: u64) -> (u64, u64) {
        match self {
            Self::None => (d, d),
            Self::Full => (0, d),
            Self::Equal => (d - d / 2, d),
            Self::Factor(f) => (d - ((d as f64 * f + 0.5).floor() as u64).min(d), d),
            Self::Decorrelated => (d, previous.saturating_mul(3).min(cap).max(d)),
        }
    }
}
