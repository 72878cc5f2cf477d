//! Variables: declared in the plan file, given from outside, filled into texts as `${name}`, or repeated for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::node::{self, Data, Node};
use super::suggest;
use crate::model::{Finding, Place};

/// Where a variable's value came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// `--var name=value`. A name that the plan file does not declare is an error.
    Argument,
    /// A file of variables, by its name. A name that the plan file does not declare is a warning.
    File(String),
    /// `PGENTRA_VAR_<name>`. A name that the plan file does not declare is ignored.
    Environment,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("--var"),
            Self::File(name) => write!(f, "the variable file {name}"),
            Self::Environment => f.write_str("the environment"),
        }
    }
}

/// A value given for a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The value.
    pub value: String,
    /// Where it came from, for messages.
    pub origin: Origin,
}

/// The variables of one plan file.
pub(super) struct Variables<'a> {
    given: &'a BTreeMap<String, Given>,
    declared: BTreeMap<String, Declared>,
    used: BTreeSet<String>,
    /// The item that a table is being repeated for.
    pub(super) each: Option<Each>,
}

/// One declaration with what it comes to.
struct Declared {
    span: Range<usize>,
    value: Value,
}

enum Value {
    Text(String),
    /// A list or a table, and what was given for it.
    Many(Node, Option<String>),
    /// Nothing was given, or what was given is wrong; there is a finding about it.
    None,
}

/// The item that a table is repeated for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Each {
    key: String,
    /// By what stands behind `each.`: `key`, `value`, `value.NAME`.
    values: BTreeMap<String, String>,
}

impl Each {
    /// An item of a list.
    pub(super) fn of_item(item: &Node) -> Option<Self> {
        let text = item.text()?;
        Some(Self::new(text, [("value".to_owned(), text.to_owned())].into()))
    }

    /// An entry of a table.
    pub(super) fn of_entry(key: &str, value: &Node) -> Option<Self> {
        let Some(table) = value.table() else {
            return Some(Self::new(key, [("value".to_owned(), value.text()?.to_owned())].into()));
        };
        let inner =
            |(name, entry): (&String, &node::Entry)| Some((format!("value.{name}"), entry.node.text()?.to_owned()));
        Some(Self::new(key, table.iter().map(inner).collect::<Option<_>>()?))
    }

    fn new(key: &str, mut values: BTreeMap<String, String>) -> Self {
        values.insert("key".to_owned(), key.to_owned());
        Self { key: key.to_owned(), values }
    }
}

impl<'a> Variables<'a> {
    /// Reads the declarations and matches them with what is given.
    pub(super) fn read(root: &DeTable<'_>, given: &'a BTreeMap<String, Given>, findings: &mut Vec<Finding>) -> Self {
        let mut declared = BTreeMap::new();
        if let Some(DeValue::Table(table)) = root.get("variables").map(toml::Spanned::get_ref) {
            for (key, declaration) in table {
                let name = key.get_ref().to_string();
                let value = value_of(&name, &node::plain(declaration), key.span(), given.get(&name), findings);
                declared.insert(name, Declared { span: key.span(), value });
            }
        }
        let variables = Self { given, declared, used: BTreeSet::new(), each: None };
        variables.undeclared(findings);
        variables
    }

    fn undeclared(&self, findings: &mut Vec<Finding>) {
        for (name, given) in self.given.iter().filter(|(name, _)| !self.declared.contains_key(*name)) {
            let title = format!("{} gives a variable `{name}` that the plan file does not declare", given.origin);
            let finding = match given.origin {
                Origin::Argument => Finding::error("undeclared-variable", title, None),
                Origin::File(_) => Finding::warning("undeclared-variable", title, None),
                Origin::Environment => continue,
            };
            findings.push(finding.remedy(self.remedy(name)));
        }
    }

    fn remedy(&self, name: &str) -> String {
        suggest::remedy(name, "declared variables", self.declared.keys().map(String::as_str))
    }

    /// Fills `${name}` in. Answers the text, whether a variable was filled in, and whether it went well.
    pub(super) fn fill(
        &mut self,
        text: &str,
        span: &Range<usize>,
        findings: &mut Vec<Finding>,
    ) -> (String, bool, bool) {
        let (mut out, mut rest, mut filled, mut well) = (String::new(), text, false, true);
        while let Some(at) = rest.find('$') {
            let (plain, mark) = rest.split_at(at);
            out.push_str(plain);
            if let Some(after) = mark.strip_prefix("$${") {
                out.push_str("${");
                rest = after;
            } else if let Some(after) = mark.strip_prefix("${") {
                filled = true;
                let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_path(name)) else {
                    findings.push(malformed(span.clone()));
                    return (out, true, false);
                };
                match self.value(name, span, findings) {
                    Some(value) => out.push_str(&value),
                    None => well = false,
                }
                rest = after;
            } else {
                out.push('$');
                rest = &mark[1..];
            }
        }
        out.push_str(rest);
        (out, filled, well)
    }

    fn value(&mut self, name: &str, span: &Range<usize>, findings: &mut Vec<Finding>) -> Option<String> {
        if let Some(part) = name.strip_prefix("each.") {
            return self.each(part, span, findings);
        }
        match self.declared.get(name).map(|declared| &declared.value) {
            Some(Value::Text(text)) => {
                self.used.insert(name.to_owned());
                return Some(text.clone());
            }
            Some(Value::None) => _ = self.used.insert(name.to_owned()),
            Some(Value::Many(..)) => findings.push(
                Finding::error("wrong-type", format!("the variable `{name}` is no text"), Place::from(span.clone()))
                    .label("a list or a table")
                    .remedy(format!("repeat the table for it: for_each = \"${{{name}}}\"")),
            ),
            None => findings.push(self.undefined(name, span)),
        }
        None
    }

    fn each(&self, part: &str, span: &Range<usize>, findings: &mut Vec<Finding>) -> Option<String> {
        let (why, remedy) = match &self.each {
            None => (
                "nothing is repeated here".to_owned(),
                "add for_each = [\"...\"] to the table, or take it out".to_owned(),
            ),
            Some(each) => match each.values.get(part) {
                Some(value) => return Some(value.clone()),
                None => (
                    format!("`{}` has no such value", each.key),
                    suggest::remedy(part, "values of `each`", each.values.keys().map(String::as_str)),
                ),
            },
        };
        findings.push(
            Finding::error("undefined-variable", format!("`each.{part}` is nothing here"), Place::from(span.clone()))
                .label(why)
                .remedy(remedy),
        );
        None
    }

    /// The list or table that `${name}` as a whole text stands for.
    pub(super) fn many(&mut self, text: &str, span: &Range<usize>, findings: &mut Vec<Finding>) -> Option<Node> {
        let name = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| is_name(name));
        let Some(name) = name else {
            findings.push(
                Finding::error("wrong-type", "`for_each` has to be a list or a table", Place::from(span.clone()))
                    .label("expected a list, a table, or ${name} alone")
                    .remedy("write for_each = [\"a\", \"b\"], or \"${name}\" for a variable that holds one"),
            );
            return None;
        };
        self.used.insert(name.to_owned());
        match self.declared.get(name).map(|declared| &declared.value) {
            Some(Value::Many(node, _)) => return Some(node.clone()),
            Some(Value::None) => {}
            Some(Value::Text(_)) => findings.push(
                Finding::error(
                    "wrong-type",
                    format!("the variable `{name}` is no list or table"),
                    Place::from(span.clone()),
                )
                .label("it is text")
                .remedy(format!("declare it so: {name} = {{ type = \"list\" }}")),
            ),
            None => findings.push(self.undefined(name, span)),
        }
        None
    }

    fn undefined(&self, name: &str, span: &Range<usize>) -> Finding {
        Finding::error(
            "undefined-variable",
            format!("the variable `{name}` is not declared"),
            Place::from(span.clone()),
        )
        .label("used here")
        .remedy(format!("declare it under [variables]: {name} = {{ default = \"...\" }}; {}", self.remedy(name)))
    }

    /// Warns about declarations that nothing uses, and refuses names that could not be given from outside.
    pub(super) fn finish(&self, findings: &mut Vec<Finding>) {
        for (name, declared) in &self.declared {
            let place = Place::from(declared.span.clone());
            if !is_name(name) {
                findings.push(
                    Finding::error("invalid-value", format!("`{name}` cannot be the name of a variable"), place)
                        .label("not a name")
                        .remedy("use letters, digits and _, beginning with a letter or _"),
                );
            } else if !self.used.contains(name) {
                findings.push(
                    Finding::warning("unused-variable", format!("the variable `{name}` is not used"), place)
                        .label("declared here")
                        .remedy(format!("use it as \"${{{name}}}\" or remove it")),
                );
            }
        }
    }

    /// The values in effect, by name.
    pub(super) fn values(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declared.iter().filter_map(|(name, declared)| match &declared.value {
            Value::Text(text) | Value::Many(_, Some(text)) => Some((name.as_str(), text.as_str())),
            // What the plan file itself says is in its text.
            Value::Many(_, None) | Value::None => None,
        })
    }
}

/// What a declaration comes to with what is given for it.
fn value_of(
    name: &str,
    declaration: &Node,
    span: Range<usize>,
    given: Option<&Given>,
    findings: &mut Vec<Finding>,
) -> Value {
    let default = declaration.get("default");
    let many = match declaration.get_text("type") {
        Some(word) => word != "text",
        None => default.is_some_and(|default| matches!(default.data, Data::List(_) | Data::Table(_))),
    };
    if let (Some(word), Some(default)) = (declaration.get_text("type"), default)
        && matches!(default.data, Data::Text(_) | Data::List(_) | Data::Table(_))
        && !is_a(word, default)
    {
        findings.push(wrong_default(name, word, default));
        return Value::None;
    }
    let fits = |node: &Node| declaration.get_text("type").is_none_or(|word| is_a(word, node));
    match (given, default) {
        (Some(given), _) if many => match parsed(&given.value, &span).filter(fits) {
            Some(node) => return Value::Many(node, Some(given.value.clone())),
            // The value may be confidential, so it is not repeated.
            None => findings.push(
                Finding::error(
                    "invalid-value",
                    format!("{} gives the variable `{name}` no list or table", given.origin),
                    Place::from(span),
                )
                .label("declared here as a list or a table")
                .remedy(format!("write it as TOML does: {name}=[\"a\", \"b\"]")),
            ),
        },
        (Some(given), _) => return Value::Text(given.value.clone()),
        (None, Some(default)) if many => return Value::Many(default.clone(), None),
        (None, Some(default)) => return default.text().map_or(Value::None, |text| Value::Text(text.to_owned())),
        (None, None) if declaration.table().is_some() => findings.push(no_value(name, span)),
        (None, None) => {}
    }
    Value::None
}

/// Whether a value is what the declared type says. Of a type that there is not, another finding tells.
fn is_a(word: &str, node: &Node) -> bool {
    match word {
        "text" => matches!(node.data, Data::Text(_)),
        "list" => matches!(node.data, Data::List(_)),
        "table" => matches!(node.data, Data::Table(_)),
        _ => true,
    }
}

fn wrong_default(name: &str, word: &str, default: &Node) -> Finding {
    let expected = if word == "text" { word.to_owned() } else { format!("a {word}") };
    let title = format!("the default of the variable `{name}` is {}, not {expected}", default.type_name());
    Finding::error("wrong-type", title, default.place())
        .label(format!("expected {expected}"))
        .remedy(format!("declare it as what it is, or leave `type` out: {name} = {{ default = ... }}"))
}

/// A list or table that was given as TOML. All of it stands where the variable is declared.
fn parsed(text: &str, span: &Range<usize>) -> Option<Node> {
    let document = format!("value = {text}");
    let document = DeTable::parse(&document).ok()?;
    let mut node = document.get_ref().get("value").filter(|_| document.get_ref().len() == 1).map(node::plain)?;
    node.place_at(span);
    matches!(node.data, Data::List(_) | Data::Table(_)).then_some(node)
}

fn no_value(name: &str, span: Range<usize>) -> Finding {
    Finding::error("missing-variable", format!("the variable `{name}` has no value"), Place::from(span))
        .label("required, as it has no default")
        .remedy(format!("give it by --var {name}=..., by PGENTRA_VAR_{name}, or add a default"))
}

fn malformed(span: Range<usize>) -> Finding {
    Finding::error("malformed-variable", "`${` begins a variable that does not end", Place::from(span))
        .label("expected ${name}")
        .remedy("write ${name}, or $${ for the two characters themselves")
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A name, or `each.` with what stands behind it.
fn is_path(path: &str) -> bool {
    let of_each = |rest: &str| {
        rest.split('.')
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'))
    };
    path.strip_prefix("each.").map_or_else(|| is_name(path), of_each)
}
