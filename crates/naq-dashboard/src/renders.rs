//! [`Renders`]: each page is rendered once a snapshot, however many tabs show it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

/// The parts of a page that change by themselves: name and HTML.
pub(crate) type Regions = Vec<(String, String)>;

type Cell = Arc<OnceCell<Arc<Regions>>>;

/// The live parts of the pages that are open now. No larger than the number of tabs: with each
/// snapshot it begins anew.
#[derive(Debug, Default)]
pub(crate) struct Renders(Mutex<(u64, HashMap<String, Cell>)>);

impl Renders {
    /// What `key` names, as of snapshot `version`; rendered by the first who asks.
    pub(crate) async fn get<F>(
        &self,
        key: &str,
        version: u64,
        render: impl FnOnce() -> F,
    ) -> Arc<Regions>
    where
        F: Future<Output = Regions>,
    {
        let cell = self.cell(key, version);
        cell.get_or_init(async || Arc::new(render().await)).await.clone()
    }

    fn cell(&self, key: &str, version: u64) -> Cell {
        let mut renders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if renders.0 < version {
            *renders = (version, HashMap::new());
        }
        renders.1.entry(key.to_owned()).or_default().clone()
    }
}

/// The live regions of a page: `<!--live NAME-->...<!--/live-->`. Nothing that a job says can be
/// such a mark, since whatever a template puts in is escaped.
pub(crate) fn regions(html: &str) -> Regions {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once("<!--live ") {
        let Some((name, after)) = after.split_once("-->") else { break };
        let Some((region, after)) = after.split_once("<!--/live-->") else { break };
        found.push((name.to_owned(), region.trim().to_owned()));
        rest = after;
    }
    found
}
