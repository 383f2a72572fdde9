//! The shape of a workflow: which job comes after which.

use std::collections::HashMap;

/// Jobs by name, and for each the places of those that come before it. Has no cycle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    after: Vec<Vec<usize>>,
    depths: Vec<usize>,
}

/// Names and edges that are no workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// There is nothing in it.
    #[error("a workflow without jobs: add some with job()")]
    Empty,
    /// Two jobs have one name.
    #[error("two jobs are named {0:?}: names are unique in a workflow")]
    Duplicate(String),
    /// An edge names a job that there is not.
    #[error("no job {name:?} in this workflow; known: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// Those that there are, some of them if there are many.
        known: Vec<String>,
    },
    /// Jobs wait for each other, so that none could ever start.
    #[error("these jobs wait for each other: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
}

/// Names that an error lists.
const NAMED: usize = 10;

impl Graph {
    /// From the names and, by name, the edges `(job, comes after)`. An edge that is named twice is
    /// one.
    ///
    /// # Errors
    /// [`GraphError`].
    pub fn new(names: &[String], edges: &[(String, String)]) -> Result<Self, GraphError> {
        if names.is_empty() {
            return Err(GraphError::Empty);
        }
        let mut places = HashMap::new();
        for (place, name) in names.iter().enumerate() {
            if places.insert(name.as_str(), place).is_some() {
                return Err(GraphError::Duplicate(name.clone()));
            }
        }
        let place = |name: &String| {
            places.get(name.as_str()).copied().ok_or_else(|| GraphError::Unknown {
                name: name.clone(),
                known: names.iter().take(NAMED).cloned().collect(),
            })
        };
        let mut after = vec![Vec::new(); names.len()];
        for (job, before) in edges {
            let (job, before) = (place(job)?, place(before)?);
            if !after[job].contains(&before) {
                after[job].push(before);
            }
        }
        let depths = depths(&after).map_err(|cycle| {
            GraphError::Cycle(cycle.iter().map(|n| names[*n].clone()).collect())
        })?;
        Ok(Self { after, depths })
    }

    /// The places of the jobs that come before this one.
    pub fn before(&self, place: usize) -> &[usize] {
        &self.after[place]
    }

    /// How many jobs come before this one on the longest way to it.
    pub fn depth(&self, place: usize) -> usize {
        self.depths[place]
    }
}

/// The depth of each, or else the way round a cycle.
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

/// Each job that is still open comes after another one that is: going back, one is met again.
fn cycle(after: &[Vec<usize>], open: &[usize]) -> Vec<usize> {
    let mut way: Vec<usize> = open.iter().position(|n| *n > 0).into_iter().collect();
    while let Some(&job) = way.last()
        && let Some(&before) = after[job].iter().find(|before| open[**before] > 0)
    {
        if let Some(met) = way.iter().position(|seen| *seen == before) {
            way.drain(..met);
            way.push(before);
            break;
        }
        way.push(before);
    }
    way.reverse();
    way
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
        let depths: Vec<_> = (0..4).map(|place| diamond.depth(place)).collect();
        assert_eq!((depths, diamond.before(0)), (vec![2, 1, 1, 0], [2, 1].as_slice()));
    }

    #[test]
    fn what_is_no_workflow_is_refused_by_name() {
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
        let way = cycle(&[("b", "a"), ("c", "b"), ("b", "c"), ("d", "c")]);
        assert!(["b -> c -> b", "c -> b -> c"].contains(&way.as_str()), "{way}");
    }
}
