//! Failures by script, so that a demo fails the same way each time.

/// What happens at this attempt: the first fault at attempt 1, the second at attempt 2, and so on;
/// after the last one all is well.
pub(super) fn play<E: Clone>(faults: &[E], attempt: u32) -> Result<(), E> {
    let at = attempt.saturating_sub(1) as usize;
    faults.get(at).cloned().map_or(Ok(()), Err)
}
