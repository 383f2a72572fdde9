//! [`Graph`]: which node of a workflow comes after which.

use std::collections::HashMap;

/// The nodes of a workflow by index, and for each node the indices of the nodes that come before it.
/// The graph has no cycle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    after: Vec<Vec<usize>>,
    depths: Vec<usize>,
}

/// Names and edges do not form a workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The workflow has no jobs.
    #[error("a workflow without jobs: add some with job()")]
    Empty,
    /// Two jobs have the same name.
    #[error("two jobs are named {0:?}: names are unique in a workflow")]
    Duplicate(String),
    /// An edge names a job that is not in the workflow.
    #[error("no job {name:?} in this workflow; known: {}", known.join(", "))]
    Unknown {
        /// The unknown name.
        name: String,
        /// The names in the workflow, at most ten of them.
        known: Vec<String>,
    },
    /// Jobs wait for each other in a cycle, so that none of them can start. The names are in order.
    #[error("these jobs wait for each other: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

/// How many names an error lists.
const NAMES_LISTED: usize = 10;

impl Graph {
    /// Builds the graph. An edge `(job, before)` says by name that `job` comes after `before`. An edge
    /// that is given twice counts once. The index of a node is the index of its name.
    ///
    /// # Errors
    /// [`GraphError`] if there are no names, a name is given twice, an edge names an unknown job, or
    /// the edges form a cycle.
    pub fn new(names: &[String], edges: &[(String, String)]) -> Result<Self, GraphError> {
        if names.is_empty() {
            return Err(GraphError::Empty);
        }
        let mut indices = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            if indices.insert(name.as_str(), index).is_some() {
                return Err(GraphError::Duplicate(name.clone()));
            }
        }
        let index_of = |name: &String| {
            indices.get(name.as_str()).copied().ok_or_else(|| GraphError::Unknown {
                name: name.clone(),
                known: names.iter().take(NAMES_LISTED).cloned().collect(),
            })
        };
        let mut after = vec![Vec::new(); names.len()];
        for (job, before) in edges {
            let job = index_of(job)?;
            let before = index_of(before)?;
            if !after[job].contains(&before) {
                after[job].push(before);
            }
        }
        let depths = depths(&after).map_err(|cycle| {
            GraphError::Cycle(cycle.iter().map(|n| names[*n].clone()).collect())
        })?;
        Ok(Self { after, depths })
    }

    /// The indices of the nodes that come directly before this one.
    ///
    /// # Panics
    /// If there is no node with this index.
    pub fn before(&self, index: usize) -> &[usize] {
        &self.after[index]
    }

    /// The number of nodes before this one on the longest path to it.
    ///
    /// # Panics
    /// If there is no node with this index.
    pub fn depth(&self, index: usize) -> usize {
        self.depths[index]
    }
}

/// The depth of each node, by Kahn's algorithm. If there is a cycle, the error has its nodes.
fn depths(after: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut depths = vec![0; after.len()];
    let mut open: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut next: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (job, before) in after.iter().enumerate() {
        before.iter().for_each(|before| next[*before].push(job));
    }
    let mut ready: Vec<usize> = (0..after.len()).filter(|job| open[*job] == 0).collect();
    let mut done = 0;
    while let Some(job) = ready.pop() {
        done += 1;
        for &later in &next[job] {
            depths[later] = depths[later].max(depths[job] + 1);
            open[later] -= 1;
            if open[later] == 0 {
                ready.push(later);
            }
        }
    }
    if done == after.len() { Ok(depths) } else { Err(cycle(after, &open)) }
}

/// The nodes of a cycle. Each open node comes after another open node, so a walk back along the edges
/// reaches some node twice.
fn cycle(after: &[Vec<usize>], open: &[usize]) -> Vec<usize> {
    let mut path: Vec<usize> = open.iter().position(|n| *n > 0).into_iter().collect();
    while let Some(&job) = path.last()
        && let Some(&before) = after[job].iter().find(|before| open[**before] > 0)
    {
        if let Some(start) = path.iter().position(|seen| *seen == before) {
            path.drain(..start);
            path.push(before);
            break;
        }
        path.push(before);
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(names: &[&str], edges: &[(&str, &str)]) -> Result<Graph, GraphError> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let edges: Vec<_> = edges.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        Graph::new(&names, &edges)
    }

    #[test]
    fn a_diamond_has_three_layers() {
        let edges = [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c"), ("d", "c")];
        let diamond = graph(&["d", "c", "b", "a"], &edges).expect("a graph");
        let depths: Vec<_> = (0..4).map(|index| diamond.depth(index)).collect();
        assert_eq!((depths, diamond.before(0)), (vec![2, 1, 1, 0], [2, 1].as_slice()));
    }

    #[test]
    fn an_invalid_workflow_is_refused_with_the_name() {
        assert_eq!(graph(&[], &[]), Err(GraphError::Empty));
        assert_eq!(graph(&["a", "a"], &[]), Err(GraphError::Duplicate("a".into())));
        let unknown = graph(&["a"], &[("a", "b")]).expect_err("refused").to_string();
        assert_eq!(unknown, "no job \"b\" in this workflow; known: a");
    }

    #[test]
    fn a_cycle_is_named_in_the_order_of_its_jobs() {
        let cycle = |edges: &[(&str, &str)]| match graph(&["a", "b", "c", "d"], edges) {
            Err(GraphError::Cycle(cycle)) => cycle.join(" -> "),
            other => panic!("{other:?}"),
        };
        assert_eq!(cycle(&[("a", "a")]), "a -> a");
        let path = cycle(&[("b", "a"), ("c", "b"), ("b", "c"), ("d", "c")]);
        assert!(["b -> c -> b", "c -> b -> c"].contains(&path.as_str()), "{path}");
    }
}
