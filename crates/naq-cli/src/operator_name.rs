//! [`operator_name`]: who runs the command, for the audit log.

/// `user@host`, from the environment and the machine's host name.
pub(crate) fn operator_name() -> String {
    let first = |names: &[&str]| {
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        names.iter().find_map(set).map(|value| value.trim().to_owned())
    };
    let user = first(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "unknown".into());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .or_else(|| first(&["HOSTNAME", "COMPUTERNAME"]));
    format!("{user}@{}", host.unwrap_or_else(|| "localhost".into()))
}
