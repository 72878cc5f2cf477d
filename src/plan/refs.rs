//! Joins the drafts: follows every reference and every `after`, fills in what is known already, says what dangles.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::describe::ALIASES;
use super::draft::Written;
use super::lower::Lowered;
use super::node::Node;
use super::suggest;
use crate::model::{Address, Finding, Place, Ref, Schema, Value};

/// The places where one resource is written to lean on another.
pub(super) type Edges = BTreeMap<(Address, Address), Range<usize>>;

/// Follows all references and `after`; the edges go into the drafts.
pub(super) fn join(
    lowered: &mut Lowered,
    root: &Node,
    schemas: &[&'static Schema],
    findings: &mut Vec<Finding>,
) -> Edges {
    let mut edges = Edges::new();
    let outputs = Outputs::new(lowered, schemas);
    for draft in &mut lowered.drafts {
        let mut known: BTreeMap<Ref, Value> = BTreeMap::new();
        for written in std::mem::take(&mut draft.references) {
            match outputs.follow(&written, root) {
                Ok((reference, value)) => {
                    edges.entry((draft.address.clone(), reference.address.clone())).or_insert(written.span);
                    draft.after.insert(reference.address.clone());
                    known.extend(value.map(|value| (reference, value)));
                }
                Err(finding) => findings.push(finding),
            }
        }
        if !known.is_empty() {
            for value in draft.attributes.values_mut() {
                *value = value.filled(&|reference| known.get(reference).cloned());
            }
        }
    }
    after(lowered, &mut edges, findings);
    edges
}

fn after(lowered: &mut Lowered, edges: &mut Edges, findings: &mut Vec<Finding>) {
    let known: BTreeSet<Address> = lowered.drafts.iter().map(|draft| draft.address.clone()).collect();
    let mut more: BTreeMap<Address, BTreeSet<Address>> = BTreeMap::new();
    let (advice, mut names) = (Advice::default(), None);
    for (owners, node) in std::mem::take(&mut lowered.after) {
        let Some(address) = node.text().and_then(|text| text.parse::<Address>().ok()) else { continue };
        let targets = match lowered.groups.get(&address) {
            Some(group) => group.clone(),
            None if known.contains(&address) => BTreeSet::from([address]),
            None => {
                let names = names.get_or_insert_with(|| {
                    known.iter().chain(lowered.groups.keys()).map(Address::to_string).collect::<Vec<_>>()
                });
                let text = address.to_string();
                findings.push(
                    Finding::error("dangling-reference", format!("there is no `{text}` to come after"), node.place())
                        .label("not declared")
                        .remedy(advice.remedy(&text, "declared", names)),
                );
                continue;
            }
        };
        for owner in owners {
            for target in &targets {
                edges.entry((owner.clone(), target.clone())).or_insert_with(|| node.span.clone());
            }
            more.entry(owner).or_default().extend(targets.iter().cloned());
        }
    }
    for draft in &mut lowered.drafts {
        draft.after.extend(more.remove(&draft.address).unwrap_or_default());
    }
}

/// Remedies that name the closest of all the names that a plan file declares. To compare each of thousands of mistakes with
/// thousands of names would take minutes, and nobody reads so many: the first ones get one.
#[derive(Default)]
struct Advice(Cell<usize>);

impl Advice {
    const MOST: usize = 50;

    fn remedy(&self, text: &str, what: &str, names: &[String]) -> String {
        self.0.set(self.0.get() + 1);
        if self.0.get() > Self::MOST {
            return "declare it, or name what is declared; the first findings of this kind say what is".to_owned();
        }
        suggest::remedy(text, what, names.iter().map(String::as_str))
    }
}

/// What every declared resource gives: its outputs, with their values where they are known.
struct Outputs {
    all: BTreeMap<Address, BTreeMap<&'static str, Option<Value>>>,
    /// All that can be referred to, as it is written.
    names: OnceCell<Vec<String>>,
    advice: Advice,
}

impl Outputs {
    fn new(lowered: &Lowered, schemas: &[&'static Schema]) -> Self {
        let mut all = BTreeMap::new();
        for draft in &lowered.drafts {
            let schema = schemas.iter().find(|schema| schema.kind == draft.address.kind);
            let outputs = schema.into_iter().flat_map(|schema| schema.outputs);
            let value = |same: &'static str| draft.key.get(same).cloned();
            all.insert(draft.address.clone(), outputs.map(|one| (one.name, one.same_as.and_then(value))).collect());
        }
        Self { all, names: OnceCell::new(), advice: Advice::default() }
    }

    fn follow(&self, written: &Written, root: &Node) -> Result<(Ref, Option<Value>), Finding> {
        let place = Place::from(written.span.clone());
        let reference = written.reference.clone().map_err(|why| {
            Finding::error("invalid-reference", why, place.clone())
                .label("not a reference")
                .remedy("write it as kind.name.output, such as role.x.name; put an odd name in double quotes")
        })?;
        let text = &written.text;
        let Some(outputs) = self.all.get(&reference.address) else {
            let finding = Finding::error("dangling-reference", format!("`{text}` refers to nothing"), place);
            return Err(finding.label("not declared").remedy(self.dangling(&reference, text, root)));
        };
        let Some(value) = outputs.get(reference.output.as_str()) else {
            let title = format!("`{}` has no output `{}`", reference.address, reference.output);
            let remedy = suggest::remedy(&reference.output, "outputs", outputs.keys().copied());
            return Err(Finding::error("unknown-output", title, place).label("no such output").remedy(remedy));
        };
        Ok((reference, value.clone()))
    }

    fn dangling(&self, reference: &Ref, text: &str, root: &Node) -> String {
        let label = &reference.address.name;
        let here = |table: &str| root.get(table).is_some_and(|labels| labels.get(label).is_some());
        if reference.address.kind == "app_identity" && here("app") {
            return format!("[app.{label}] has no identity here; add identity = \"system\" to it");
        }
        let names = || {
            self.all.iter().flat_map(|(address, outputs)| {
                let alias = ALIASES.iter().find(|(_, kind)| *kind == address.kind).map(|(alias, _)| *alias);
                let address = Address::new(alias.unwrap_or(&address.kind), &*address.name);
                outputs.keys().map(move |output| format!("{address}.{output}"))
            })
        };
        self.advice.remedy(text, "there are", self.names.get_or_init(|| names().collect()))
    }
}
