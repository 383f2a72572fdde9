//! The findings about the schemas of streams, and about workers that do not know them.

use async_nats::jetstream::stream::Config;
use naq_core::transport::StreamRole;

use crate::api::Api;
use crate::evictions::evictions;
use crate::finding::{Finding, Level, finding};
use crate::schema::{self, Schema};

const MIGRATE: &str = "naq migrate (to see first what it changes: naq migrate --dry-run)";

/// The finding about a stream that a newer version of NAQ has made or changed.
pub(crate) fn newer(check: &str, wanted: &Config, found: &Config) -> Option<Finding> {
    let error = schema::refuse_newer(wanted, found).err()?;
    let next = "upgrade this program, and the workers and programs that use this broker";
    Some(finding(check, Level::Fail, error.to_string()).with_next_step(next))
}

/// The finding about a stream with the settings of an earlier schema, whose only fault that is.
pub(crate) fn behind(
    check: &str,
    role: &StreamRole,
    wanted: &Config,
    found: &Config,
) -> Option<Finding> {
    let limit = format!("max_msgs_per_subject {}", found.max_messages_per_subject);
    let is_behind = *role == StreamRole::State && evictions(wanted, found) == [&*limit];
    let detail = format!(
        "it has {limit}, as in schema 1, and the current one is {}: an ended pause or a deleted \
         schedule may be there again after the broker was killed",
        schema::STATE
    );
    is_behind.then(|| finding(check, Level::Fail, detail).with_next_step(MIGRATE))
}

/// The schema of a stream that is current, in words.
pub(crate) fn words(role: &StreamRole, found: &Config) -> String {
    let schema = schema::of_stream(role, found);
    match schema::written_in(&found.metadata) {
        Some(_) => format!("schema {schema}"),
        None => format!("schema {schema}, which is not written down (naq migrate does it)"),
    }
}

impl Api {
    /// The findings about workers that do not know the schema of the stream of the state store. `found` are
    /// its settings. A user who may not read the list of workers sees none.
    pub(crate) async fn older_workers(&self, found: &Config) -> Vec<Finding> {
        let role = StreamRole::State;
        let needed = schema::of_stream(&role, found).min(schema::STATE);
        if needed == Schema(1) {
            return Vec::new();
        }
        let workers = self.known_schemas().await.unwrap_or_default();
        let older = workers.iter().filter_map(|worker| worker.older_than(&role, needed));
        let row = |older: crate::migration::OlderWorker| {
            let detail = format!(
                "version {}: it knows schema {} of {}, which has {needed}: of what it writes there \
                 the earlier value stays stored, and counts again when the newer one expires",
                older.version, older.knows, found.name
            );
            let check = format!("worker {}", older.worker);
            finding(check, Level::Warn, detail).with_next_step("upgrade it, or stop it")
        };
        older.map(row).collect()
    }
}
