//! [`draw`]: a graph of jobs, one column a step.

use std::collections::HashMap;
use std::fmt::Write;

use naq_core::JobState;

use super::label::label;

/// A graph with more jobs is a table only.
const MAX_NODES: usize = 150;
const WIDTH: usize = 168;
const HEIGHT: usize = 46;
/// Between columns and between rows.
const ACROSS: usize = 56;
const DOWN: usize = 18;
const EDGE: usize = 12;
/// Characters of a name that fit.
const NAME: usize = 20;

/// A job of the graph.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Its column.
    pub(crate) depth: usize,
    /// The names of those before it.
    pub(crate) after: Vec<String>,
    pub(crate) state: Option<JobState>,
    pub(crate) link: String,
}

/// The graph; none when it is too large to be read.
pub(crate) fn draw(nodes: &[Node]) -> Option<String> {
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        return None;
    }
    // As many columns as there are nodes at most: the depths are told by whoever started it.
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
    // Each column stands in the middle of the tallest.
    let corner = |(column, row): (usize, usize)| {
        let above = (tallest - filled[column]) * (HEIGHT + DOWN) / 2;
        (EDGE + column * (WIDTH + ACROSS), EDGE + above + row * (HEIGHT + DOWN))
    };
    let width = 2 * EDGE + columns * (WIDTH + ACROSS) - ACROSS;
    let height = 2 * EDGE + tallest * (HEIGHT + DOWN) - DOWN;
    let mut svg = format!(
        r#"<svg class="dag" role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}"><title>{} jobs in {columns} steps; the table below says the same</title>"#,
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
        let state = node.state.map_or("nothing known", JobState::as_str);
        let class = node.state.map_or("blocked", JobState::as_str);
        let short = match node.name.char_indices().nth(NAME) {
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

    fn node(name: &str, depth: usize, after: &[&str]) -> Node {
        let after = after.iter().map(ToString::to_string).collect();
        let (name, link) = (name.to_owned(), format!("/jobs/q/{name}"));
        Node { name, depth, after, state: Some(JobState::Blocked), link }
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
    fn what_is_too_large_to_be_read_is_not_drawn() {
        let many: Vec<_> = (0..=MAX_NODES).map(|n| node(&n.to_string(), 0, &[])).collect();
        assert!(draw(&many).is_none() && draw(&[]).is_none());
        assert!(draw(&[node("a", 1_000_000_000_000, &[])]).is_none());
    }
}
