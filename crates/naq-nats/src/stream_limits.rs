//! The limits of a JetStream account, and which streams of NAQ it would refuse.

use async_nats::jetstream::stream::{Config, StorageType};
use serde::Deserialize;

use crate::api::Api;
use crate::subjects::api;

/// What an account may have, and has.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AccountUse {
    streams: i64,
    memory: i64,
    storage: i64,
    reserved_memory: i64,
    reserved_storage: i64,
    limits: AccountLimits,
}

/// The limits of an account; -1 for none.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
struct AccountLimits {
    max_streams: i64,
    max_memory: i64,
    max_storage: i64,
    memory_max_stream_bytes: i64,
    storage_max_stream_bytes: i64,
    max_bytes_required: bool,
}

impl Default for AccountLimits {
    fn default() -> Self {
        Self {
            max_streams: -1,
            max_memory: -1,
            max_storage: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            max_bytes_required: false,
        }
    }
}

impl AccountUse {
    /// `None` if this user may not read it.
    pub(crate) async fn read(api: &Api) -> Option<Self> {
        api.call(api::ACCOUNT, &()).await.ok()
    }

    /// Why JetStream would refuse to create this stream.
    pub(crate) fn refusal(&self, wanted: &Config) -> Option<String> {
        let limits = &self.limits;
        if limits.max_streams > 0 && self.streams >= limits.max_streams {
            return Some(format!(
                "the account may have {} streams, and has {}",
                limits.max_streams, self.streams
            ));
        }
        if limits.max_bytes_required && wanted.max_bytes <= 0 {
            return Some("the account wants a `max_bytes` for each stream".to_owned());
        }
        let (what, max, max_stream, used, reserved) = match wanted.storage {
            StorageType::File => (
                "file storage",
                limits.max_storage,
                limits.storage_max_stream_bytes,
                self.storage,
                self.reserved_storage,
            ),
            StorageType::Memory => (
                "memory",
                limits.max_memory,
                limits.memory_max_stream_bytes,
                self.memory,
                self.reserved_memory,
            ),
        };
        let needed = wanted.max_bytes.max(0);
        if max_stream > 0 && needed > max_stream {
            return Some(format!(
                "it needs {needed} bytes of {what}, and the account allows {max_stream} a stream"
            ));
        }
        let taken = used.max(reserved);
        let replicas = i64::try_from(wanted.num_replicas.max(1)).unwrap_or(1);
        if max >= 0 && taken.saturating_add(needed.saturating_mul(replicas)).max(taken + 1) > max {
            return Some(format!(
                "it needs {needed} bytes of {what}; of the account's {max} bytes {taken} are taken"
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_refused_by_each_limit_and_by_none_without_limits() {
        let config = |max_bytes, storage| Config { max_bytes, storage, ..Config::default() };
        let file = |max_bytes| config(max_bytes, StorageType::File);
        let memory = config(-1, StorageType::Memory);
        let read = |text: &str| serde_json::from_str::<AccountUse>(text).expect("an account");
        let free = read(r#"{"streams":900,"storage":5000,"limits":{"max_streams":-1}}"#);
        for wanted in [file(-1), file(1 << 40), memory.clone()] {
            assert_eq!(free.refusal(&wanted), None);
        }
        for (account, wanted, told) in [
            (r#"{"streams":3,"limits":{"max_streams":3}}"#, file(-1), "may have 3 streams"),
            (r#"{"limits":{"max_bytes_required":true}}"#, file(-1), "max_bytes"),
            (r#"{"limits":{"max_storage":100}}"#, file(101), "needs 101 bytes of file storage"),
            (r#"{"reserved_storage":60,"limits":{"max_storage":100}}"#, file(50), "60 are taken"),
            (r#"{"storage":100,"limits":{"max_storage":100}}"#, file(-1), "100 are taken"),
            (r#"{"limits":{"storage_max_stream_bytes":10}}"#, file(11), "allows 10 a stream"),
            (r#"{"limits":{"max_memory":0}}"#, memory, "of memory"),
        ] {
            let refusal = read(account).refusal(&wanted).expect(account);
            assert!(refusal.contains(told), "{refusal}");
        }
        let enough = read(r#"{"streams":2,"limits":{"max_streams":3,"max_storage":100}}"#);
        assert_eq!(enough.refusal(&file(100)), None);
    }
}
