//! The id of a worker that was given none.

use naq_core::WorkerId;

use crate::random::random;

/// Characters of the name in an id, so that the process id and the random part always fit.
const MAX_NAME: usize = 80;

/// `name-pid-random`: readable, and unique among containers in which every process has id 1.
pub(crate) fn worker_id(name: &str) -> WorkerId {
    let name: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .take(MAX_NAME)
        .collect();
    let id = format!("{name}-{}-{:04x}", std::process::id(), random() & 0xffff);
    WorkerId::new(id).unwrap_or_else(|err| panic!("{err}"))
}

/// The machine's name, or `localhost` if it cannot be found.
pub(crate) fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_dots_or_of_any_length_makes_an_id() {
        assert!(worker_id("host.example.com").as_str().starts_with("host-example-com-"));
        assert!(worker_id(&"ä".repeat(500)).as_str().len() <= WorkerId::MAX_LEN);
    }

    #[test]
    fn two_workers_of_one_process_differ() {
        let ids: std::collections::HashSet<_> = (0..8).map(|_| worker_id("w")).collect();
        assert!(ids.len() > 1);
    }
}
