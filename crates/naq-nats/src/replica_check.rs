//! Checks that each stream has the copies that were chosen, and raises those that have fewer.

use async_nats::jetstream::stream::Config;
use naq_core::transport::StreamRole;

use crate::api::Api;
use crate::error::ApiError;
use crate::finding::{Finding, Level, finding, not_visible};
use crate::replicas::ReplicaChoice;
use crate::stream_config::SHARED;
use crate::transport::NatsTransport;

const CHECK: &str = "replicas";

/// The finding about the choice itself.
pub(crate) fn choice_finding(choice: &Result<ReplicaChoice, ApiError>) -> Finding {
    let choice = match choice {
        Ok(choice) => choice,
        Err(error) => return not_visible(CHECK.to_owned(), error),
    };
    let copies = choice.copies();
    match choice.written {
        Some(1) if choice.is_clustered => {
            let detail = "1 copy of each stream is written down, and the broker is a cluster: the \
                          jobs of a stream are away while its server is away";
            finding(CHECK, Level::Warn, detail).with_next_step("naq doctor --fix --replicas 3")
        }
        Some(written) => {
            let detail = format!("{written} of each stream, as written down in the broker");
            finding(CHECK, Level::Ok, detail)
        }
        None if choice.of_state.is_none() => {
            finding(CHECK, Level::Ok, format!("no stream yet; new streams get {copies}"))
        }
        None if choice.is_clustered => {
            let detail = format!(
                "the broker is a cluster, and no choice is written down; new streams get {copies}"
            );
            finding(CHECK, Level::Warn, detail).with_next_step(
                "naq doctor --fix (it writes the choice down; another one: --replicas N)",
            )
        }
        None => finding(CHECK, Level::Ok, format!("new streams get {copies}")),
    }
}

/// The finding about a stream with fewer copies than chosen.
pub(crate) fn too_few(found: &Config, choice: &ReplicaChoice) -> Option<Finding> {
    let (has, copies) = (found.num_replicas.max(1), choice.copies());
    if has >= copies {
        return None;
    }
    let detail =
        format!("it has {has} of {copies} copies: it does not survive the loss of a server");
    let finding = finding(format!("stream {}", found.name), Level::Fail, detail);
    Some(finding.with_next_step("naq doctor --fix"))
}

impl NatsTransport {
    /// Writes the number of copies of all streams down in the broker, and raises the streams that have
    /// fewer. The number is that of the settings, or else the one that is written down, or else three on
    /// a cluster and one on a single server. Streams with more copies stay as they are. The broker copies the
    /// messages after this has returned.
    pub async fn fix_replicas(&self) -> Vec<Finding> {
        let api = &*self.api;
        let choice = match api.replica_choice().await {
            Ok(choice) => choice,
            Err(error) => return vec![not_visible(CHECK.to_owned(), &error)],
        };
        let copies = choice.configured.unwrap_or_else(|| choice.copies());
        let is_choice = choice.is_clustered || choice.configured.is_some();
        if is_choice
            && choice.written != Some(copies)
            && let Err(error) = api.set_choice(copies).await
        {
            return vec![not_changed(CHECK.to_owned(), error, api)];
        }
        let detail = format!("{copies} of each stream, as written down in the broker");
        let mut found = vec![finding(CHECK, Level::Ok, detail)];
        let queues = match api.queues().await {
            Ok(queues) => queues,
            Err(error) => {
                found.push(finding("queues", Level::Fail, error.to_string()));
                Vec::new()
            }
        };
        let roles = SHARED.into_iter().chain(queues.into_iter().map(StreamRole::Queue));
        for role in roles {
            found.extend(raise(api, &api.configs().config_of_role(&role), copies).await);
        }
        found
    }
}

/// Raises one stream, if it exists and has fewer copies.
async fn raise(api: &Api, wanted: &Config, copies: usize) -> Option<Finding> {
    let stream = &*wanted.name;
    let check = format!("stream {stream}");
    let has = match api.stream_info(stream).await {
        Ok(info) => info?.config.num_replicas.max(1),
        Err(error) => return Some(not_visible(check, &error)),
    };
    if has >= copies {
        return None;
    }
    Some(match api.set_copies(wanted, copies).await {
        Ok(()) => {
            let detail =
                format!("raised from {has} to {copies} copies; the broker copies its messages now");
            finding(check, Level::Ok, detail)
        }
        Err(error) => not_changed(check, error, api),
    })
}

fn not_changed(check: String, error: ApiError, api: &Api) -> Finding {
    let error = error.into_transport("change the stream", api.url());
    finding(check, Level::Fail, error.to_string())
        .with_next_step("correct what the broker says, and run the command again")
}
