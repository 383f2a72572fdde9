//! [`SettleWindow`]: how many jobs may run or be settled at once. While the broker stores no outcomes, a
//! job keeps its slot until its outcome is stored: a job that runs in vain would have to run again. No I/O.

/// Deliveries that may be held beyond those in a slot: they wait for one, or are being settled.
pub(crate) const MAX_BEYOND_SLOTS: usize = 1000;

/// The settlements under way, and how many there may be.
#[derive(Debug, Default)]
pub(super) struct SettleWindow {
    /// How many settlements are under way.
    settling: usize,
    /// How many of them may be under way in addition to the slots. It grows by one with each settlement
    /// that was stored soon, and is halved when one was not: a broker that is slow at times does not stop
    /// the worker, and one that stores nothing does.
    beyond: usize,
}

impl SettleWindow {
    pub(super) fn begin(&mut self) {
        self.settling += 1;
    }

    /// A settlement does not end soon.
    pub(super) fn delayed(&mut self) {
        self.beyond /= 2;
    }

    pub(super) fn end(&mut self, was_delayed: bool) {
        self.settling = self.settling.saturating_sub(1);
        if !was_delayed {
            self.beyond = (self.beyond + 1).min(MAX_BEYOND_SLOTS);
        }
    }

    /// How many more jobs may start, for `slots` slots of which `running` run a job.
    pub(super) fn free(&self, slots: usize, running: usize) -> usize {
        let room = (slots + self.beyond).saturating_sub(running + self.settling);
        room.min(slots.saturating_sub(running))
    }

    /// How many of `ahead` jobs may be fetched before there is a slot for them.
    pub(super) fn ahead(&self, ahead: usize) -> usize {
        ahead.min(self.beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settlement_that_takes_long_keeps_its_slot() {
        let mut window = SettleWindow::default();
        assert_eq!(window.free(4, 0), 4);
        (0..3).for_each(|_| window.begin());
        assert_eq!((window.free(4, 0), window.free(4, 1), window.free(4, 2)), (1, 0, 0));
        window.delayed();
        window.end(true);
        assert_eq!((window.free(4, 0), window.ahead(50)), (2, 0));
    }

    #[test]
    fn settlements_that_are_stored_soon_keep_no_slot() {
        let mut window = SettleWindow::default();
        for _ in 0..2_000 {
            window.begin();
            window.end(false);
        }
        (0..999).for_each(|_| window.begin());
        assert_eq!((window.free(4, 3), window.ahead(50)), (1, 50));
        (0..4).for_each(|_| window.begin());
        assert_eq!(window.free(4, 3), 0, "there is a bound");
        // The broker does not store outcomes any more.
        (0..10).for_each(|_| window.delayed());
        assert_eq!((window.free(4, 0), window.ahead(50)), (0, 0));
        (0..1_000).for_each(|_| window.end(true));
        assert_eq!(window.free(4, 0), 1, "three are left");
    }

    #[test]
    fn one_settlement_that_takes_long_halves_the_number() {
        let mut window = SettleWindow::default();
        for _ in 0..100 {
            window.begin();
            window.end(false);
        }
        window.delayed();
        assert_eq!(window.ahead(500), 50);
    }
}
