//! [`PageRequest`]: the page that a visitor asks for, and the data to render it from.

use std::collections::BTreeMap;
use std::sync::Arc;

use naq_core::Timestamp;

use crate::access::Access;
use crate::app::App;
use crate::links::{encode, query_string};
use crate::snapshot::Snapshot;

/// One request for one page.
#[derive(Debug)]
pub(crate) struct PageRequest<'a> {
    pub(crate) app: &'a App,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) access: Access,
    /// The path below the prefix, split at the slashes and decoded: `["queues", "mail"]`.
    pub(crate) path: Vec<String>,
    /// The query, decoded. If a name comes twice, the last value counts.
    pub(crate) query: BTreeMap<String, String>,
    /// Whether only the live regions of the page are needed. Then the page reads the snapshot and the
    /// job cache, which all tabs share, and nothing else from the broker.
    pub(crate) live: bool,
}

impl PageRequest<'_> {
    /// The time that the page shows as now.
    pub(crate) fn now(&self) -> Timestamp {
        self.app.client.now()
    }

    /// A value of the query that is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The link to another page, such as `/queues/mail`.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.app.options.prefix)
    }

    /// The link to this page with `name` set to `value` in its query, or removed from it.
    pub(crate) fn with(&self, name: &str, value: Option<&str>) -> String {
        let others = self.query.iter().map(|(name, value)| (&**name, &**value));
        let others = others.filter(|(other, _)| *other != name);
        self.with_only(others.chain(value.map(|value| (name, value))))
    }

    /// The link to this page with only these names in its query. Names without a value are left out.
    pub(crate) fn with_only<'b>(
        &self,
        pairs: impl IntoIterator<Item = (&'b str, &'b str)>,
    ) -> String {
        let path: Vec<_> = self.path.iter().map(|part| encode(part)).collect();
        let query = query_string(pairs.into_iter().filter(|(_, value)| !value.is_empty()));
        self.link(&format!("/{}{query}", path.join("/")))
    }
}
