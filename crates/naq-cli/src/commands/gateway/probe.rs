//! [`GatewayProbe`]: whether the gateway is ready.

use naq_gateway::Gateway;

use crate::readiness::ReadinessProbe;

/// The probe of the gateway.
pub(super) struct GatewayProbe(pub(super) Gateway);

impl ReadinessProbe for GatewayProbe {
    fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    fn ready(&self) -> Result<(), String> {
        match self.0.is_connected() {
            true => Ok(()),
            false => Err("not connected to the broker".to_owned()),
        }
    }

    #[cfg(feature = "metrics")]
    fn set_gauges(&self) {
        naq_core::metrics::set_connected(self.0.is_connected());
    }
}
