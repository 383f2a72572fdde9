//! Brings the streams of an earlier version of NAQ to the current schema, one after the other. Each stream
//! is changed by one request, which also writes its number. So a migration that was interrupted is
//! repeated as a whole.

use std::collections::BTreeMap;

use naq_core::transport::{StreamRole, TransportError};
use serde::Deserialize;
use serde_json::Value;

use crate::api::Api;
use crate::error::ApiError;
use crate::migration::{MigrateError, OlderWorker, StreamPlan, migrated};
use crate::schema::{self, Schema};
use crate::stream_config::SHARED;
use crate::subjects::api;
use crate::transport::NatsTransport;

/// The part of a worker's entry that says which schemas it knows. An earlier version of NAQ says nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct KnownSchemas {
    worker_id: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    schemas: BTreeMap<String, u32>,
}

impl KnownSchemas {
    /// The worker, if it does not know this schema of the role's streams.
    pub(crate) fn older_than(&self, role: &StreamRole, needed: Schema) -> Option<OlderWorker> {
        let knows = self.schemas.get(schema::kind(role)).copied().unwrap_or(1);
        let (worker, version) = (self.worker_id.clone(), self.version.clone());
        (knows < needed.0).then_some(OlderWorker { worker, version, knows })
    }
}

impl NatsTransport {
    /// What a migration does to each stream of the prefix. Changes nothing.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn migration_plans(&self) -> Result<Vec<StreamPlan>, TransportError> {
        let api = &*self.api;
        let queues = api.queues().await?;
        let roles = SHARED.into_iter().chain(queues.into_iter().map(StreamRole::Queue));
        let mut plans = Vec::new();
        for role in roles {
            plans.extend(api.migration_plan(&role).await?);
        }
        if plans.iter().any(|plan| plan.needs().is_some()) {
            let workers = api.known_schemas().await?;
            for plan in &mut plans {
                plan.older_workers = older_workers(plan, &workers);
            }
        }
        Ok(plans)
    }

    /// Brings one stream to the current schema. Looks at the stream and at the workers again first.
    /// Returns whether it changed something: a stream that is current or was removed stays as it is.
    ///
    /// # Errors
    /// [`MigrateError`].
    pub async fn migrate_stream(&self, role: &StreamRole) -> Result<bool, MigrateError> {
        let api = &*self.api;
        let stream = api.configs().config_of_role(role).name;
        let fail = |error: ApiError| error.into_transport("change the stream", api.url());
        let Some(config) = api.raw_config(&stream).await.map_err(fail)? else { return Ok(false) };
        let mut plan = read_plan(role, &config)?;
        if plan.needs().is_some() {
            plan.older_workers = older_workers(&plan, &api.known_schemas().await?);
        }
        plan.check()?;
        if !plan.is_due() {
            return Ok(false);
        }
        let config = migrated(role, config);
        let stored = api.update_raw(&stream, &config).await.map_err(fail)?;
        let after = read_plan(role, &stored)?;
        if after.is_due() {
            let what = format!("change the stream {stream}");
            let reason = "the broker did not store the settings".into();
            return Err(TransportError::Rejected { what, reason }.into());
        }
        Ok(true)
    }
}

impl Api {
    /// `None` if the stream does not exist.
    async fn migration_plan(
        &self,
        role: &StreamRole,
    ) -> Result<Option<StreamPlan>, TransportError> {
        let stream = self.configs().config_of_role(role).name;
        let fail = |error: ApiError| error.into_transport("describe a stream", self.url());
        let config = self.raw_config(&stream).await.map_err(fail)?;
        config.map(|config| read_plan(role, &config)).transpose()
    }

    /// Changes a stream, and returns the settings that the broker has stored.
    async fn update_raw(&self, stream: &str, config: &Value) -> Result<Value, ApiError> {
        #[derive(Deserialize)]
        struct Updated {
            config: Value,
        }
        let updated = self.call_with_retry(&api::stream_update(stream), config).await;
        updated.map(|Updated { config }| config)
    }
}

fn older_workers(plan: &StreamPlan, workers: &[KnownSchemas]) -> Vec<OlderWorker> {
    let Some(needed) = plan.needs() else { return Vec::new() };
    workers.iter().filter_map(|worker| worker.older_than(&plan.role, needed)).collect()
}

fn read_plan(role: &StreamRole, config: &Value) -> Result<StreamPlan, TransportError> {
    StreamPlan::read(role, config).map_err(|error| TransportError::Rejected {
        what: "read the settings of a stream".into(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_says_nothing_of_schemas_knows_the_first_ones() {
        let read = |text: &str| serde_json::from_str::<KnownSchemas>(text).expect("an entry");
        let old = read(r#"{"worker_id":"old","version":"0.1.0","status":"idle"}"#);
        let new = read(r#"{"worker_id":"new","version":"0.1.0","schemas":{"state":2}}"#);
        let knows = |worker: &KnownSchemas, role: &StreamRole, needed| {
            worker.older_than(role, Schema(needed)).map(|older| older.knows)
        };
        assert_eq!(knows(&old, &StreamRole::State, 2), Some(1));
        assert_eq!(knows(&new, &StreamRole::State, 2), None);
        assert_eq!(knows(&new, &StreamRole::State, 3), Some(2));
        assert_eq!(knows(&old, &StreamRole::Dead, 1), None);
        let older = old.older_than(&StreamRole::State, Schema(2)).expect("older");
        assert_eq!(older.to_string(), "old (0.1.0, knows 1)");
    }

    #[test]
    fn a_worker_names_each_kind_whose_schema_is_above_one() {
        let queue = StreamRole::Queue(naq_core::QueueName::default());
        let roles = SHARED.into_iter().chain([queue]);
        let above_one = roles.filter(|role| schema::of_role(role) > Schema(1));
        let named: BTreeMap<_, _> =
            above_one.map(|role| (schema::kind(&role), schema::of_role(&role).0)).collect();
        assert_eq!(schema::known(), named);
    }
}
