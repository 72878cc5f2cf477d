//! Variables: declared in the plan file, given from outside, filled into strings as `${name}`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

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
    /// Declared name -> its place and its value, `None` where it has none.
    declared: BTreeMap<String, (Range<usize>, Option<String>)>,
    used: BTreeSet<String>,
}

impl<'a> Variables<'a> {
    /// Reads the declarations and matches them with what is given.
    pub(super) fn read(root: &DeTable<'_>, given: &'a BTreeMap<String, Given>, findings: &mut Vec<Finding>) -> Self {
        let mut declared = BTreeMap::new();
        if let Some(DeValue::Table(table)) = root.get("variables").map(toml::Spanned::get_ref) {
            for (key, declaration) in table {
                let name = key.get_ref().to_string();
                let default = declaration.get_ref().get("default");
                let value = given
                    .get(&name)
                    .map(|given| given.value.clone())
                    .or_else(|| default.and_then(|value| value.get_ref().as_str()).map(str::to_owned));
                if value.is_none() && default.is_none() && declaration.get_ref().is_table() {
                    findings.push(no_value(&name, key.span()));
                }
                declared.insert(name, (key.span(), value));
            }
        }
        let variables = Self { given, declared, used: BTreeSet::new() };
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
                match after.split_once('}').filter(|(name, _)| is_name(name)) {
                    Some((name, after)) => {
                        match self.value(name, span, findings) {
                            Some(value) => out.push_str(&value),
                            None => well = false,
                        }
                        rest = after;
                    }
                    None => {
                        findings.push(malformed(span.clone()));
                        return (out, true, false);
                    }
                }
            } else {
                out.push('$');
                rest = &mark[1..];
            }
        }
        out.push_str(rest);
        (out, filled, well)
    }

    fn value(&mut self, name: &str, span: &Range<usize>, findings: &mut Vec<Finding>) -> Option<String> {
        if let Some((_, value)) = self.declared.get(name) {
            self.used.insert(name.to_owned());
            return value.clone();
        }
        findings.push(
            Finding::error(
                "undefined-variable",
                format!("the variable `{name}` is not declared"),
                Place::from(span.clone()),
            )
            .label("used here")
            .remedy(format!("declare it under [variables]: {name} = {{ default = \"...\" }}; {}", self.remedy(name))),
        );
        None
    }

    /// Warns about declarations that nothing uses, and refuses names that could not be given from outside.
    pub(super) fn finish(&self, findings: &mut Vec<Finding>) {
        for (name, (span, _)) in &self.declared {
            let place = Place::from(span.clone());
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
        self.declared.iter().filter_map(|(name, (_, value))| Some((name.as_str(), value.as_deref()?)))
    }
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
