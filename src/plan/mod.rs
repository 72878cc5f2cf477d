//! The plan file: TOML text in, checked resources out, with everything that is wrong with it said at once.

#[cfg(test)]
pub(crate) mod bad;
mod check;
mod cleanup_findings;
mod deployment_findings;
mod describe;
mod describe_deployment;
mod describe_evidence;
mod describe_grants;
mod describe_places;
mod draft;
#[cfg(test)]
pub(crate) mod environment_tests;
#[cfg(test)]
pub(crate) mod evidence_tests;
mod format;
mod json_schema;
mod lower;
mod lower_app;
mod lower_cleanup;
mod lower_places;
mod lower_role;
mod lower_server;
mod lower_validation;
mod mask;
mod names;
mod node;
mod order;
mod place;
mod reference;
mod refs;
mod repeat;
mod settings;
mod suggest;
#[cfg(test)]
mod test_kinds;
#[cfg(test)]
mod tests;
mod twice;
mod validation_findings;
mod variables;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};
use toml::de::DeTable;

use crate::model::{Address, Desired, Finding, Graph, Place, Schema, Severity, Target, hex};
pub use format::format;
pub use json_schema::json_schema;
pub use lower_places::wide_open;
pub use mask::masked;
use node::Node;
pub use place::line_column;
pub use reference::reference;
use refs::Edges;
use variables::Variables;
pub use variables::{Given, Origin};
pub use write::{Section, SectionLine, write};

/// A plan file without errors.
#[derive(Clone, Debug)]
pub struct PlanFile {
    /// What it is called.
    pub name: String,
    /// SHA-256, in hex, of the text and of the values of its variables.
    pub digest: String,
    /// Cloud, tenant and servers.
    pub target: Target,
    /// Where the store is; `None` for the directory `.pgentra` beside the plan file.
    pub store: Option<String>,
    /// What may differ without anybody being told, as `[drift] ignore` says.
    pub ignore: Vec<String>,
    /// Everything it wants, each after all it leans on, in the same order each time.
    pub desired: Vec<Desired>,
    /// Who leans on whom.
    pub graph: Graph<Address>,
    /// Places inside the resources, by path: `settings.NAME`, `grants.0`, `grants.0.tables`.
    pub places: BTreeMap<Address, BTreeMap<String, Place>>,
}

/// Reads a plan file. Answers it when there is no error, and every finding, in the order of the text; warnings may come
/// along with a plan file. Never panics, whatever the text is.
pub fn load(
    text: &str,
    given: &BTreeMap<String, Given>,
    schemas: &[&'static Schema],
) -> (Option<PlanFile>, Vec<Finding>) {
    let mut findings = Vec::new();
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut variables = Variables::read(root.get_ref(), given, &mut findings);
    let first = text.chars().next().map_or(0, char::len_utf8);
    let root = repeat::tree(root.get_ref(), &mut variables, &mut findings, first);
    check::Walker::new(schemas, &mut findings).document(&root);
    if !errors.is_empty() {
        return (None, sorted(with_syntax(text, &errors, findings)));
    }
    variables.finish(&mut findings);
    let mut lowered = lower::lower(&root, schemas, &mut findings);
    let edges: Edges = refs::join(&mut lowered, &root, schemas, &mut findings);
    lower_role::mark_managed(&mut lowered.drafts);
    twice::resources(text, &lowered, schemas, &mut findings);
    twice::grants(text, &root, &mut findings);
    twice::servers(&lowered, &mut findings);
    twice::store(&root, &lowered, &mut findings);
    order::built_in(&mut lowered.drafts);
    let graph = order::graph(&lowered.drafts, &edges, &mut findings);
    let findings = sorted(findings);
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    let plan = (!failed).then(|| finish(&root, digest(text, &variables), lowered, graph));
    (plan, findings)
}

fn text(node: &Node) -> Option<String> {
    node.text().map(str::to_owned)
}

fn finish(root: &Node, digest: String, lowered: lower::Lowered, graph: Graph<Address>) -> PlanFile {
    let mut places = BTreeMap::new();
    let mut desired = BTreeMap::new();
    for draft in lowered.drafts {
        places.insert(draft.address.clone(), draft.places);
        let place = Some(Place::from(draft.span));
        let one = Desired {
            address: draft.address.clone(),
            key: draft.key,
            attributes: draft.attributes,
            after: draft.after,
            place,
        };
        desired.insert(draft.address, one);
    }
    PlanFile {
        name: root.get_text("name").unwrap_or_default().to_owned(),
        digest,
        target: lowered.target,
        store: root.get("store").and_then(|store| store.get_text("url")).map(str::to_owned),
        ignore: root.get("drift").map_or(&[][..], |drift| drift.get_list("ignore")).iter().filter_map(text).collect(),
        desired: graph.order().iter().filter_map(|address| desired.remove(address)).collect(),
        graph,
        places,
    }
}

/// Syntax errors, and what else is surely wrong: a missing key may stand in a part that could not be read, and a wrong
/// value on the line of a syntax error is an echo of it.
fn with_syntax(text: &str, errors: &[toml::de::Error], findings: Vec<Finding>) -> Vec<Finding> {
    let line = |at: usize| line_column(text, at).0;
    let broken: BTreeSet<usize> =
        errors.iter().filter_map(toml::de::Error::span).map(|span| line(span.start)).collect();
    let sure = |finding: &Finding| {
        !finding.rule.starts_with("missing-")
            && finding.place.as_ref().is_none_or(|place| !broken.contains(&line(place.span.start)))
    };
    let mut findings: Vec<Finding> = findings.into_iter().filter(sure).collect();
    findings.extend(errors.iter().map(syntax));
    findings
}

fn syntax(error: &toml::de::Error) -> Finding {
    let message = error.message().lines().next().unwrap_or_default();
    let (rule, remedy) = if message.contains("duplicate key") {
        ("duplicate-key", "TOML takes each key and each [table] once; join the two")
    } else {
        ("syntax", "mend the TOML here: text in quotes, one key = value a line, brackets closed")
    };
    Finding::error(rule, format!("not TOML: {message}"), error.span().map(Place::from)).label("here").remedy(remedy)
}

fn sorted(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings
        .sort_by_key(|finding| (finding.place.as_ref().map(|place| (place.span.start, place.span.end)), finding.rule));
    findings.dedup();
    findings
}

/// Every part is preceded by its length, so that no two inputs run together.
fn digest(text: &str, variables: &Variables<'_>) -> String {
    let mut hash = Sha256::new();
    let mut part = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    };
    part(text);
    for (name, value) in variables.values() {
        part(name);
        part(value);
    }
    hex(&hash.finalize())
}
