//! The dependency graph as SVG: what comes first on the left, each resource right of all that it leans on.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::class;
use crate::report::clean::clean;
use crate::report::escape::html_text;
use crate::report::page::Node;

const COLUMN: usize = 270;
const ROW: usize = 58;
const WIDTH: usize = 225;
const HEIGHT: usize = 44;
/// How many characters of a name fit a box.
const CHARS: usize = 26;
/// A drawing of more nodes than this tells nobody anything.
const NODES_MAX: usize = 80;

/// The id of a resource's section, to which its node links. No two addresses have the same.
pub(super) fn anchor(address: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let part = |c: char| if plain(c) { c.to_string() } else { format!("~{:x}~", u32::from(c)) };
    format!("r-{}", clean(address).chars().map(part).collect::<String>())
}

/// The drawing with its caption, or nothing where there is nothing to see.
pub(super) fn figure(nodes: &[Node]) -> String {
    if nodes.len() < 2 || nodes.len() > NODES_MAX {
        return String::new();
    }
    let columns = columns(nodes);
    let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for node in nodes {
        let column = columns[node.address.as_str()];
        let row = rows.entry(column).or_default();
        places.insert(&node.address, (10 + column * COLUMN, 10 + *row * ROW));
        *row += 1;
    }
    let width = 20 + (rows.keys().max().copied().unwrap_or_default()) * COLUMN + WIDTH;
    let height = 20 + rows.values().max().copied().unwrap_or_default() * ROW;
    let mut body = String::new();
    for node in nodes {
        let (x, y) = places[node.address.as_str()];
        for (from, (fx, fy)) in reduced(node, nodes).iter().filter_map(|on| Some((on, places.get(on)?))) {
            let (sx, sy, ex, ey) = (fx + WIDTH, fy + HEIGHT / 2, x, y + HEIGHT / 2);
            let bend = sx.midpoint(ex);
            let title = html_text(&clean(&format!("{} comes after {from}", node.address)));
            _ = writeln!(
                body,
                "<path d=\"M{sx},{sy} C{bend},{sy} {bend},{ey} {ex},{ey}\"><title>{title}</title></path>"
            );
        }
    }
    for node in nodes {
        let (x, y) = places[node.address.as_str()];
        body.push_str(&boxed(node, x, y));
    }
    format!(
        "<details class=\"graph\" open><summary>Order: each resource comes after all that it leans on</summary>\n\
         <div class=\"scroll\"><svg role=\"img\" aria-label=\"Dependency graph of {} resources\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n{body}</svg></div></details>\n",
        nodes.len()
    )
}

fn boxed(node: &Node, x: usize, y: usize) -> String {
    let address = clean(&node.address);
    let full = html_text(&address);
    let (kind, name) = address.split_once('.').unwrap_or(("", &address));
    let short = |text: &str| match text.chars().count() {
        count if count > CHARS => html_text(&text.chars().take(CHARS - 1).chain(['…']).collect::<String>()),
        _ => html_text(text),
    };
    let (kind, name) = (short(kind), short(name));
    let tx = x + 8;
    let (mark, class, link) =
        (html_text(node.symbol.mark().trim()), class(node.symbol), html_text(&anchor(&node.address)));
    format!(
        "<a href=\"#{link}\" class=\"node {class}\"><title>{full}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" \
         height=\"{HEIGHT}\" rx=\"6\"/><text x=\"{tx}\" y=\"{}\" class=\"kind\">{mark} {kind}</text>\
         <text x=\"{tx}\" y=\"{}\">{name}</text></a>\n",
        y + 17,
        y + 34
    )
}

/// The column of each node: one right of the rightmost that it leans on. Nodes come in order.
fn columns(nodes: &[Node]) -> BTreeMap<&str, usize> {
    let mut columns: BTreeMap<&str, usize> = BTreeMap::new();
    for node in nodes {
        let on = node.leans_on.iter().filter_map(|on| columns.get(on.as_str())).max();
        columns.insert(&node.address, on.map_or(0, |column| column + 1));
    }
    columns
}

/// What a node leans on, without what follows from the others: fewer lines say the same.
fn reduced<'a>(node: &'a Node, nodes: &[Node]) -> Vec<&'a str> {
    let of = |address: &str| nodes.iter().find(|node| node.address == address);
    let implied = |on: &String| {
        node.leans_on
            .iter()
            .filter(|other| *other != on)
            .filter_map(|other| of(other))
            .any(|other| reaches(other, on, nodes))
    };
    node.leans_on.iter().filter(|on| !implied(on)).map(String::as_str).collect()
}

fn reaches(from: &Node, to: &str, nodes: &[Node]) -> bool {
    let mut stack = vec![from];
    let mut seen: std::collections::BTreeSet<&str> = std::collections::BTreeSet::new();
    while let Some(node) = stack.pop() {
        for on in &node.leans_on {
            if on == to {
                return true;
            }
            if seen.insert(on) {
                stack.extend(nodes.iter().filter(|node| node.address == *on));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{anchor, columns, figure, reduced};
    use crate::report::page::{Node, Symbol};

    fn node(address: &str, leans_on: &[&str]) -> Node {
        Node {
            address: address.into(),
            symbol: Symbol::Create,
            leans_on: leans_on.iter().map(|on| (*on).to_owned()).collect(),
        }
    }

    #[test]
    fn order_runs_to_the_right() {
        let nodes = [node("a", &[]), node("b", &["a"]), node("c", &["a", "b"]), node("d", &[])];
        let columns = columns(&nodes);
        assert_eq!((columns["a"], columns["b"], columns["c"], columns["d"]), (0, 1, 2, 0));
        assert_eq!(reduced(&nodes[2], &nodes), ["b"], "a follows from b");
        let drawn = figure(&nodes);
        assert_eq!((drawn.matches("<path").count(), drawn.matches("<rect").count()), (2, 4));
        assert_eq!(figure(&nodes[..1]), "");
    }

    #[test]
    fn anchors_are_plain() {
        assert_eq!(anchor("database_role.\"a/b\""), "r-database_role.~22~a~2f~b~22~");
        assert_ne!(anchor("role.\"a/b\""), anchor("role.\"a b\""));
    }
}
