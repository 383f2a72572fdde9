//! What of the connection and of the user's rights is less safe than it could be, for operators.

use serde::Deserialize;

use crate::api::Api;
use crate::finding::{Finding, Level, finding};
use crate::protection::{Protection, protection};

/// The broker answers with the user, its account and its permissions.
const USER_INFO: &str = "$SYS.REQ.USER.INFO";
/// The account of a server that has no others.
const GLOBAL_ACCOUNT: &str = "$G";

#[derive(Debug, Default, Deserialize)]
struct UserReply {
    #[serde(default)]
    data: UserRights,
}

/// What the broker says of the user of this connection.
#[derive(Debug, Default, Deserialize)]
struct UserRights {
    #[serde(default)]
    user: String,
    #[serde(default)]
    account: String,
    permissions: Option<Permissions>,
}

#[derive(Debug, Default, Deserialize)]
struct Permissions {
    publish: Option<SubjectRights>,
}

#[derive(Debug, Default, Deserialize)]
struct SubjectRights {
    #[serde(default)]
    allow: Vec<String>,
}

impl Api {
    /// The findings about encryption, account, rights and versions.
    pub(crate) async fn security_findings(&self) -> Vec<Finding> {
        let server = self.client().server_info();
        let protection = protection(&self.config, server.tls_required);
        let mut found = vec![encryption(protection)];
        if !server.auth_required && protection == Protection::Loopback {
            let detail = "none; the broker is on this machine";
            found.push(finding("security: credentials", Level::Ok, detail));
        } else if !server.auth_required {
            let detail = "the broker asks for no credentials: every program that reaches it may do everything";
            let next = "give each role a user of its own (docs/operating.md)";
            found.push(warn("security: credentials", detail, next));
        } else if let Ok(UserReply { data }) = self.call(USER_INFO, &()).await {
            found.push(account(&data));
            found.push(rights(&data));
        } else {
            let detail = "the broker does not tell this user its rights";
            found.push(finding("security: rights", Level::Ok, detail));
        }
        found.push(known_faults(&server.version));
        found
    }
}

fn warn(check: &str, detail: impl Into<String>, next: &str) -> Finding {
    finding(check, Level::Warn, detail).with_next_step(next)
}

fn encryption(protection: Protection) -> Finding {
    const CHECK: &str = "security: encryption";
    let next = "use tls:// in the URL, and set TLS up at the broker";
    match protection {
        Protection::Tls => finding(CHECK, Level::Ok, "TLS"),
        Protection::Loopback => finding(CHECK, Level::Ok, "none; the broker is on this machine"),
        Protection::PlainSecret => warn(
            CHECK,
            "none, and a password or token is sent: everyone on the way can read it",
            next,
        ),
        Protection::Plain => {
            warn(CHECK, "none: everyone on the way can read and change jobs", next)
        }
    }
}

fn account(user: &UserRights) -> Finding {
    const CHECK: &str = "security: account";
    if user.account != GLOBAL_ACCOUNT {
        return finding(CHECK, Level::Ok, format!("{:?}", user.account));
    }
    warn(
        CHECK,
        "the broker has one account for all users: a user who may publish can reach every stream of it",
        "give producers that you do not trust an account of their own (docs/operating.md)",
    )
}

fn rights(user: &UserRights) -> Finding {
    const CHECK: &str = "security: rights";
    let wide = match &user.permissions {
        None => vec!["every subject".to_owned()],
        Some(permissions) => match &permissions.publish {
            None => vec!["every subject".to_owned()],
            Some(publish) => publish.allow.iter().filter(|it| is_wide(it)).cloned().collect(),
        },
    };
    if wide.is_empty() {
        return finding(CHECK, Level::Ok, format!("user {:?} has the rights of a role", user.user));
    }
    let detail = format!(
        "user {:?} may publish to {}: it may remove streams, or write to all queues",
        user.user,
        wide.join(", ")
    );
    warn(CHECK, detail, "use a user with the rights of its role only (docs/operating.md)")
}

/// Whether this right is more than a worker, a producer or an operator needs.
fn is_wide(subject: &str) -> bool {
    matches!(subject, ">" | "$JS.>" | "$JS.API.>" | "$JS.API.STREAM.>" | "$SYS.>")
        || subject.starts_with("$JS.API.STREAM.DELETE")
        || subject.starts_with("$JS.API.STREAM.UPDATE")
}

/// What is known of the versions in use. NAQ works around all of it.
fn known_faults(server: &str) -> Finding {
    let mut detail =
        "the client (async-nats 0.51) ends at some malformed headers; NAQ replaces it".to_owned();
    if ["2.14.", "2.15.0", "2.15.1"].iter().any(|version| server.starts_with(version)) {
        detail.push_str(&format!(
            "; nats-server {server} forgets running jobs after a purge by subject: never purge a \
             queue's stream by subject with another tool"
        ));
    }
    finding("security: known faults", Level::Ok, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_that_are_wider_than_a_role_are_found() {
        let of = |json: &str| {
            let reply: UserReply = serde_json::from_str(json).expect("a reply");
            (account(&reply.data).level, rights(&reply.data).level)
        };
        let (ok, warn) = (Level::Ok, Level::Warn);
        assert_eq!(of(r#"{"data":{"user":"ann","account":"$G"}}"#), (warn, warn));
        let allow = |subject: &str| {
            format!(
                r#"{{"data":{{"user":"w","account":"NAQ","permissions":{{"publish":{{"allow":["{subject}"]}}}}}}}}"#
            )
        };
        assert_eq!(of(&allow("naq.q.mail.>")), (ok, ok));
        for wide in [">", "$JS.API.>", "$JS.API.STREAM.DELETE.*"] {
            assert_eq!(of(&allow(wide)), (ok, warn), "{wide}");
        }
    }
}
