//! Reads deploy/nats/accounts.conf, and the table of docs/operating.md.

use std::collections::{BTreeMap, BTreeSet};

use naq_testing::NatsServer;

const LAYOUT: &str = include_str!("../../../../../deploy/nats/accounts.conf");
const PAGE: &str = include_str!("../../../../../docs/operating.md");

/// The queues of the shipped file.
pub(super) const QUEUES: [&str; 2] = ["mail", "billing"];

/// What one user may do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) send: BTreeSet<String>,
    pub(super) hear: BTreeSet<String>,
}

/// The rights of one account: what its user is permitted, and what the account imports.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) user: String,
    pub(super) permitted: Rights,
    pub(super) imported: Rights,
}

/// The accounts of the shipped file, without the one that holds the streams.
pub(super) fn accounts() -> Vec<Account> {
    let mut found: Vec<Account> = Vec::new();
    for line in LAYOUT.lines() {
        let is_account = line.starts_with("  ") && line.ends_with(" {") && !line.starts_with("   ");
        if is_account {
            found.push(Account::default());
            continue;
        }
        let Some(account) = found.last_mut() else { continue };
        let quoted = || line.split('"').skip(1).step_by(2).map(str::to_owned);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("{ user: ") {
            account.user = rest.split(',').next().unwrap_or_default().to_owned();
        } else if line.starts_with("subscribe:") {
            let own_inbox = format!("_INBOX_{}.>", account.user);
            account.permitted.hear.extend(quoted().filter(|it| *it != own_inbox));
        } else if line.starts_with("{ service: {") {
            account.imported.send.extend(quoted());
        } else if line.starts_with("{ stream: {") {
            account.imported.hear.extend(quoted());
        } else if line.starts_with('"') {
            account.permitted.send.extend(quoted());
        }
    }
    found.remove(0);
    found
}

/// The rights in the table of the page, by the role's name.
pub(super) fn documented(queue: &str) -> BTreeMap<String, Rights> {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .skip_while(|line| !line.starts_with("| subject | producer |"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let (head, rows) = rows.split_first().expect("the page has the table");
    let mut found = BTreeMap::new();
    for (column, role) in head.iter().enumerate().skip(1).take(head.len() - 2) {
        let rights: &mut Rights = found.entry((*role).to_owned()).or_default();
        for row in &rows[1..] {
            let subject = row[0].trim_matches('`').replace("QUEUE", queue);
            let subjects: Vec<String> = match subject.contains("NAQ_Q_*") {
                true => QUEUES
                    .iter()
                    .chain(&["naq-chores"])
                    .map(|queue| subject.replace("NAQ_Q_*", &format!("NAQ_Q_{queue}")))
                    .collect(),
                false => vec![subject],
            };
            match row[column] {
                "send" => rights.send.extend(subjects),
                "hear" => rights.hear.extend(subjects),
                other => assert_eq!(other, "", "{row:?}"),
            }
        }
    }
    found
}

/// The subjects that the page lists as shared: those which a worker of any queue may write.
pub(super) fn shared_entries() -> Vec<String> {
    let table = PAGE.lines().skip_while(|line| !line.starts_with("  | entry | what it can do"));
    let rows = table.skip(2).take_while(|line| line.starts_with("  |"));
    let cells = rows.map(|row| row.split('|').nth(1).unwrap_or_default());
    let quoted = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    // `<key>` and what may follow it.
    let subject = |text: &str| text.split(".<").next().unwrap_or_default().to_owned();
    quoted.map(subject).collect()
}

/// A server with the shipped accounts. Without `permissions`, only the accounts hold.
pub(super) fn server(permissions: bool) -> NatsServer {
    let mut config = String::new();
    let mut skipping = false;
    for line in LAYOUT.lines() {
        let mut line = line.to_owned();
        if let (Some(start), Some(end)) = (line.find("$NAQ_"), line.find("_PASSWORD")) {
            line.replace_range(start..end + "_PASSWORD".len(), "x");
        }
        if !permissions && line.ends_with("permissions: {") {
            config.push_str(&line.replace(", permissions: {", " }"));
            skipping = true;
        }
        if !skipping {
            config.push_str(&line);
        }
        config.push('\n');
        skipping &= line.trim() != "} }";
    }
    NatsServer::builder().config(&config).start().expect("a server with the shipped accounts")
}

/// Whether a subject pattern of NATS matches a subject.
pub(super) fn matches(pattern: &str, subject: &str) -> bool {
    let mut pattern = pattern.split('.');
    let mut subject = subject.split('.');
    loop {
        match (pattern.next(), subject.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[test]
fn the_account_imports_what_its_user_is_permitted_and_the_page_says_the_same() {
    let accounts = accounts();
    assert_eq!(accounts.len(), 2 * QUEUES.len() + 3, "{accounts:?}");
    for account in accounts {
        assert_eq!(account.permitted, account.imported, "{}", account.user);
        let (role, queue) = account.user.split_once('-').unwrap_or((&account.user, "mail"));
        assert_eq!(account.permitted, documented(queue)[role], "{}", account.user);
    }
}
