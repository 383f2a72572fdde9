//! [`RenderCache`]: each page is rendered once for each snapshot, even if many tabs show it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use naq_core::sync::lock;
use tokio::sync::OnceCell;

/// The live regions of a page: name and HTML.
pub(crate) type Regions = Vec<(String, String)>;

type RenderCell = Arc<OnceCell<Arc<Regions>>>;

/// The live regions of the open pages. The cache is cleared at each new snapshot, so it holds at most
/// one entry for each open tab.
#[derive(Debug, Default)]
pub(crate) struct RenderCache(Mutex<RenderCacheState>);

#[derive(Debug, Default)]
struct RenderCacheState {
    version: u64,
    cells: HashMap<String, RenderCell>,
}

impl RenderCache {
    /// The regions of the page `key` for the snapshot `version`. The first caller renders them, and
    /// later callers get the same regions.
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

    fn cell(&self, key: &str, version: u64) -> RenderCell {
        let mut state = lock(&self.0);
        if state.version < version {
            *state = RenderCacheState { version, cells: HashMap::new() };
        }
        state.cells.entry(key.to_owned()).or_default().clone()
    }
}

/// The live regions of a page: `<!--live NAME-->...<!--/live-->`. Text from a job cannot form such a
/// mark, because templates escape it.
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
