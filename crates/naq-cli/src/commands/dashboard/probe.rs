//! [`DashboardProbe`]: whether the dashboard is ready.

use naq_dashboard::Dashboard;

use crate::readiness::ReadinessProbe;

/// The probe of the dashboard.
pub(super) struct DashboardProbe(pub(super) Dashboard);

impl ReadinessProbe for DashboardProbe {
    fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    fn ready(&self) -> Result<(), String> {
        self.0.ready()
    }

    #[cfg(feature = "metrics")]
    fn set_gauges(&self) {
        naq_core::metrics::set_connected(self.0.ready().is_ok());
        naq_core::metrics::LOGINS_REFUSED.counter(&[]).absolute(self.0.refused_logins());
        naq_core::metrics::set_queues(&self.0.queues(), &self.0.workers());
        let holds = self.0.holds();
        let held =
            |hold: &naq_client::Hold| Some((hold.queue.clone()?, hold.cause.as_str(), hold.jobs));
        naq_core::metrics::set_held(holds.iter().filter_map(held));
    }
}
