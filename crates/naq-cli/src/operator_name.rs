//! [`operator_name`]: who runs the command, for the audit log.

use std::sync::OnceLock;

/// What `--by` says. Set once, before the command runs.
static GIVEN: OnceLock<String> = OnceLock::new();

/// Sets the name that `--by` gives. Later calls change nothing.
pub(crate) fn set_operator_name(by: &str) {
    let _ = GIVEN.set(by.trim().to_owned());
}

/// What `--by` says, else `user@host`.
pub(crate) fn operator_name() -> String {
    GIVEN.get().cloned().unwrap_or_else(user_at_host)
}

/// From the environment, the machine's list of users, and its host name. With `sudo` it is the user who
/// called it.
fn user_at_host() -> String {
    let first = |names: &[&str]| {
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        names.iter().find_map(set).map(|value| value.trim().to_owned())
    };
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let user = first(&["SUDO_USER", "USER", "LOGNAME", "USERNAME"])
        .or_else(|| user_of(&read("/proc/self/status"), &read("/etc/passwd")))
        .unwrap_or_else(|| "unknown".into());
    let host = Some(read("/proc/sys/kernel/hostname").trim().to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| first(&["HOSTNAME", "COMPUTERNAME"]));
    format!("{user}@{}", host.unwrap_or_else(|| "localhost".into()))
}

/// The name of the user with the real user id of `status`, in the lines of `passwd`; the id itself if no
/// line has it, as in many containers.
fn user_of(status: &str, passwd: &str) -> Option<String> {
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let id = ids.split_whitespace().next()?;
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    };
    Some(passwd.lines().find_map(name).unwrap_or_else(|| format!("uid-{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_a_user_in_its_environment_is_named_by_its_user_id() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        let status = |id: u32| format!("Name:\tnaq\nUid:\t{id}\t{id}\t{id}\t{id}\n");
        assert_eq!(user_of(&status(1_000), passwd).as_deref(), Some("ann"));
        assert_eq!(user_of(&status(0), passwd).as_deref(), Some("root"));
        assert_eq!(user_of(&status(10_001), passwd).as_deref(), Some("uid-10001"));
        assert_eq!(user_of("", passwd), None);
    }
}
