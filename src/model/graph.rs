//! The dependency graph: who leans on whom, in one stable order.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// A cycle, as the path that closes it: `a -> b -> a`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle<N>(pub Vec<N>);

/// Who leans on whom. Edges to nodes that are not in the graph are left out.
#[derive(Clone, Debug)]
pub struct Graph<N> {
    graph: DiGraph<N, ()>,
    index: BTreeMap<N, NodeIndex>,
}

impl<N: Clone + Ord> Graph<N> {
    /// Builds the graph of `node -> everything it leans on`.
    pub fn new(leans: &BTreeMap<N, BTreeSet<N>>) -> Self {
        let mut graph = DiGraph::new();
        let index: BTreeMap<N, NodeIndex> =
            leans.keys().map(|node| (node.clone(), graph.add_node(node.clone()))).collect();
        for (node, on) in leans {
            for other in on.iter().filter_map(|other| index.get(other)) {
                graph.add_edge(*other, index[node], ());
            }
        }
        Self { graph, index }
    }

    /// Every cycle, each as a closed path, in stable order.
    pub fn cycles(&self) -> Vec<Cycle<N>> {
        let mut cycles: Vec<Cycle<N>> = tarjan_scc(&self.graph)
            .into_iter()
            .filter(|group| group.len() > 1 || group.first().is_some_and(|node| self.graph.contains_edge(*node, *node)))
            .map(|group| self.close(&group))
            .collect();
        cycles.sort_by(|a, b| a.0.cmp(&b.0));
        cycles
    }

    /// A shortest closed path inside a strongly connected group, from its smallest node, in "leans on" direction.
    fn close(&self, group: &[NodeIndex]) -> Cycle<N> {
        let inside: BTreeSet<NodeIndex> = group.iter().copied().collect();
        let Some(start) = group.iter().copied().min_by_key(|node| &self.graph[*node]) else { return Cycle(Vec::new()) };
        let mut came: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
        let mut queue = std::collections::VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            let mut givers: Vec<NodeIndex> = self.givers(node).filter(|giver| inside.contains(giver)).collect();
            givers.sort_by_key(|giver| &self.graph[*giver]);
            for giver in givers {
                if giver == start {
                    let mut path = vec![start, node];
                    let mut at = node;
                    while at != start {
                        at = came[&at];
                        path.push(at);
                    }
                    path.reverse();
                    if node == start {
                        path.truncate(2);
                    }
                    return Cycle(path.into_iter().map(|node| self.graph[node].clone()).collect());
                }
                if let std::collections::btree_map::Entry::Vacant(unseen) = came.entry(giver) {
                    unseen.insert(node);
                    queue.push_back(giver);
                }
            }
        }
        Cycle(Vec::new())
    }

    fn givers(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.graph.neighbors_directed(node, petgraph::Incoming)
    }

    /// Every node after all it leans on; ties by name, so the order is the same each time. Nodes on a cycle are left
    /// out; ask [`Graph::cycles`] first.
    pub fn order(&self) -> Vec<N> {
        let mut open: BTreeMap<&N, usize> =
            self.index.iter().map(|(name, node)| (name, self.givers(*node).count())).collect();
        let mut ready: BTreeSet<&N> = open.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
        let mut order = Vec::with_capacity(self.index.len());
        while let Some(name) = ready.pop_first() {
            order.push(name.clone());
            for next in self.graph.neighbors(self.index[name]) {
                let count = open.get_mut(&self.graph[next]);
                if let Some(count) = count {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(&self.graph[next]);
                    }
                }
            }
        }
        order
    }

    /// What a node leans on directly.
    pub fn leans_on(&self, node: &N) -> BTreeSet<N> {
        self.index.get(node).map(|node| self.givers(*node).map(|n| self.graph[n].clone()).collect()).unwrap_or_default()
    }

    /// What a node leans on, directly or through others.
    pub fn leans_on_all(&self, node: &N) -> BTreeSet<N> {
        self.reach(node, petgraph::Incoming)
    }

    /// What leans on a node, directly or through others.
    pub fn dependants(&self, node: &N) -> BTreeSet<N> {
        self.reach(node, petgraph::Outgoing)
    }

    fn reach(&self, node: &N, direction: petgraph::Direction) -> BTreeSet<N> {
        let mut found = BTreeSet::new();
        let mut stack: Vec<NodeIndex> = self.index.get(node).copied().into_iter().collect();
        while let Some(at) = stack.pop() {
            for next in self.graph.neighbors_directed(at, direction) {
                if found.insert(self.graph[next].clone()) {
                    stack.push(next);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::Graph;
    use std::collections::{BTreeMap, BTreeSet};

    fn graph(edges: &[(&'static str, &[&'static str])]) -> Graph<&'static str> {
        let leans: BTreeMap<_, BTreeSet<_>> =
            edges.iter().map(|(node, on)| (*node, on.iter().copied().collect())).collect();
        Graph::new(&leans)
    }

    #[test]
    fn order_is_stable_and_respects_leaning() {
        let graph = graph(&[
            ("settings", &["grants"]),
            ("grants", &["role"]),
            ("role", &["identity"]),
            ("identity", &[]),
            ("b", &[]),
        ]);
        assert_eq!(graph.order(), ["b", "identity", "role", "grants", "settings"]);
        assert_eq!(graph.dependants(&"role"), BTreeSet::from(["grants", "settings"]));
        assert_eq!(graph.leans_on_all(&"grants"), BTreeSet::from(["role", "identity"]));
    }

    #[test]
    fn a_cycle_is_a_closed_path() {
        let graph = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("d", &["a"])]);
        let cycles = graph.cycles();
        assert_eq!(cycles.len(), 1);
        assert_eq!(cycles[0].0, ["a", "b", "c", "a"]);
    }

    #[test]
    fn a_node_that_leans_on_itself_is_a_cycle() {
        assert_eq!(graph(&[("a", &["a"])]).cycles()[0].0, ["a", "a"]);
        assert!(graph(&[("a", &["b"]), ("b", &[])]).cycles().is_empty());
    }
}
