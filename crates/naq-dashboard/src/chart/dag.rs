//! [`draw`]: a graph of jobs, one column for each depth.

use std::collections::HashMap;
use std::fmt::Write;

use naq_core::JobState;

use super::label::label;

/// A graph with more jobs is not drawn; the page then has only the table.
const MAX_NODES: usize = 150;
const WIDTH: usize = 168;
const HEIGHT: usize = 46;
/// The room between columns.
const COLUMN_GAP: usize = 56;
/// The room between rows.
const ROW_GAP: usize = 18;
const MARGIN: usize = 12;
/// The characters of a name that fit.
const NAME_CHARS: usize = 20;

/// A job of the graph.
#[derive(Debug, Clone)]
pub(crate) struct DagNode {
    pub(crate) name: String,
    /// The column of the job.
    pub(crate) depth: usize,
    /// The names of its parents.
    pub(crate) after: Vec<String>,
    pub(crate) state: Option<JobState>,
    pub(crate) link: String,
}

/// The graph; none if it is too large to read.
pub(crate) fn draw(nodes: &[DagNode]) -> Option<String> {
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        return None;
    }
    // The depths come from a message that any client can write: more columns than nodes are invalid,
    // and must not make a huge picture.
    if nodes.iter().any(|node| node.depth >= nodes.len()) {
        return None;
    }
    let columns = nodes.iter().map(|node| node.depth).max().unwrap_or(0) + 1;
    let mut filled = vec![0; columns];
    let mut places: HashMap<&str, (usize, usize)> = HashMap::new();
    for node in nodes {
        let row = filled[node.depth];
        filled[node.depth] += 1;
        places.insert(&node.name, (node.depth, row));
    }
    let tallest = filled.iter().copied().max().unwrap_or(1);
    // Each column is centred beside the tallest one.
    let corner = |(column, row): (usize, usize)| {
        let above = (tallest - filled[column]) * (HEIGHT + ROW_GAP) / 2;
        (MARGIN + column * (WIDTH + COLUMN_GAP), MARGIN + above + row * (HEIGHT + ROW_GAP))
    };
    let width = 2 * MARGIN + columns * (WIDTH + COLUMN_GAP) - COLUMN_GAP;
    let height = 2 * MARGIN + tallest * (HEIGHT + ROW_GAP) - ROW_GAP;
    let mut svg = format!(
        r#"<svg class="dag" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}"><title>{} jobs in {columns} steps; the table below has the same data</title>"#,
        nodes.len()
    );
    for node in nodes {
        let Some(to) = places.get(node.name.as_str()).copied().map(corner) else { continue };
        for before in &node.after {
            let Some(from) = places.get(before.as_str()).copied().map(corner) else { continue };
            let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
            let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
            let bend = (x2.max(x1) - x1) / 2;
            // Writing to a string cannot fail.
            let _ = write!(
                svg,
                r#"<path class="edge" d="M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}"/>"#,
                x1 + bend,
                x2.saturating_sub(bend)
            );
        }
    }
    for node in nodes {
        let Some((x, y)) = places.get(node.name.as_str()).copied().map(corner) else { continue };
        let state = node.state.map_or("unknown", JobState::as_str);
        let class = node.state.map_or("blocked", JobState::as_str);
        let short = match node.name.char_indices().nth(NAME_CHARS) {
            Some((end, _)) => format!("{}…", &node.name[..end]),
            None => node.name.clone(),
        };
        let _ = write!(
            svg,
            r#"<a href="{}" class="node state-{class}"><title>{}: {state}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8"/><text class="name" x="{}" y="{}">{}</text><text x="{}" y="{}">{state}</text></a>"#,
            label(&node.link),
            label(&node.name),
            x + 12,
            y + 20,
            label(&short),
            x + 12,
            y + 36,
        );
    }
    Some(svg + "</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, depth: usize, after: &[&str]) -> DagNode {
        let after = after.iter().map(ToString::to_string).collect();
        let (name, link) = (name.to_owned(), format!("/jobs/q/{name}"));
        DagNode { name, depth, after, state: Some(JobState::Blocked), link }
    }

    #[test]
    fn a_diamond_has_four_boxes_and_four_edges() {
        let graph = [
            node("a", 0, &[]),
            node("b", 1, &["a"]),
            node("c", 1, &["a", "outside/of-it"]),
            node("<d>", 2, &["b", "c"]),
        ];
        let svg = draw(&graph).expect("is drawn");
        let count = |part: &str| svg.matches(part).count();
        assert_eq!((count("<rect"), count(r#"class="edge""#)), (4, 4));
        assert!(svg.contains("&#60;d&#62;") && !svg.contains("<d>"), "{svg}");
    }

    #[test]
    fn a_graph_that_is_too_large_to_read_is_not_drawn() {
        let many: Vec<_> = (0..=MAX_NODES).map(|n| node(&n.to_string(), 0, &[])).collect();
        assert!(draw(&many).is_none() && draw(&[]).is_none());
        assert!(draw(&[node("a", 1_000_000_000_000, &[])]).is_none());
    }
}
