//! Who may use the gateway: keys, each with queues, tasks and a rate.

mod allowed;
mod api_key;
mod key_list;

pub use allowed::Allowed;
pub use api_key::ApiKey;
pub(crate) use api_key::hash;
pub use key_list::{ApiKeys, KeyListError};
