//! [`Schedules`]: the verbs on schedules.

use crate::Client;

/// The verbs on registered schedules; from [`Client::schedules`].
#[derive(Debug, Clone, Copy)]
pub struct Schedules<'a> {
    pub(super) client: &'a Client,
}

impl Client {
    /// The verbs on registered schedules.
    pub fn schedules(&self) -> Schedules<'_> {
        Schedules { client: self }
    }
}
