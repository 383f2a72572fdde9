//! What the dashboard says to whoever watches over it.

use naq_core::metrics::{set_connected, set_queues};
use naq_dashboard::Dashboard;

use crate::metrics::Probe;

pub(super) struct DashboardProbe(pub(super) Dashboard);

impl Probe for DashboardProbe {
    fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }

    fn refresh(&self) {
        set_connected(self.0.ready().is_ok());
        set_queues(&self.0.queues(), &self.0.workers());
    }
}
