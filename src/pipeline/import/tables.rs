//! The grants of an import: what a role holds, or what a new role is proposed to get, as tables of a plan file.

use std::collections::BTreeSet;

use super::{Imported, Proposed, Seen};
use crate::model::{Attributes, Value};
use crate::plan::Section;
use crate::resources::{Folded, FoldedRule};

/// The order in which a person reads the fields of a grant; others follow.
const ORDER: [&str; 19] = [
    "database_privileges",
    "schemas",
    "schema",
    "tables",
    "partitioned_tables",
    "foreign_tables",
    "views",
    "materialized_views",
    "columns",
    "sequences",
    "functions",
    "procedures",
    "types",
    "domains",
    "languages",
    "large_objects",
    "only",
    "except",
    "grant_option",
];

/// What applications do with the objects of a schema, by the field of a rule.
const USUAL: [(&str, &[&str]); 3] = [
    ("tables", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
    ("sequences", &["USAGE", "SELECT"]),
    ("functions", &["EXECUTE"]),
];

fn texts<T: Into<String>>(list: impl IntoIterator<Item = T>) -> Value {
    Value::List(list.into_iter().map(|text| Value::Text(text.into())).collect())
}

/// What a role owns in a schema, in words.
pub(super) fn owned(schema: &str, fields: &BTreeSet<&str>) -> String {
    format!("{} in schema {schema}", fields.iter().copied().collect::<Vec<_>>().join(", "))
}

/// One table of grants.
fn grant(label: &str, database: &str, rule: &Attributes) -> Section {
    let mut section = Section { list: true, ..Section::new(&["role", label, "grants"]) }.with("database", database);
    for field in ORDER.into_iter().chain(["future"]) {
        if let Some(value) = rule.get(field) {
            section = section.with(field, value.clone());
        }
    }
    section
}

fn rules(label: &str, database: &str, held: &Folded, sections: &mut Vec<Section>) {
    let first = sections.len();
    for FoldedRule { rule, why } in &held.rules {
        let mut section = grant(label, database, rule);
        section.comments.extend(why.map(|why| format!("Written so: {why}.")));
        sections.push(section);
    }
    if held.remarks.is_empty() {
        return;
    }
    let left = held.remarks.iter().cloned();
    if let Some(last) = sections[first..].last_mut() {
        last.comments.splice(0..0, ["What no rule can say, and stays as it is:".to_owned()].into_iter().chain(left));
    } else {
        // No table of this database is there to say it above.
        let title = format!("What no rule can say of the database {database}, and stays as it is:");
        sections.push(Section { comments: [title].into_iter().chain(left).collect(), ..Section::default() });
    }
}

/// The grants of the role in all databases.
pub(super) fn grants(seen: &Seen) -> Vec<Section> {
    let label = &seen.role;
    let mut sections = Vec::new();
    if let Some(why) = &seen.shut {
        sections.extend(guessed(seen, why));
    }
    for database in &seen.databases {
        let first = sections.len();
        rules(label, &database.database, &database.held, &mut sections);
        if let Some(proposed) = &database.proposed {
            self::proposed(label, database, proposed, &mut sections);
        }
        if !database.owned.is_empty() {
            let owned = database.owned.join("; ");
            match sections.get_mut(first) {
                Some(section) => {
                    section.comments.insert(0, format!("It owns {owned}. Owning is no grant; it stays as it is."));
                }
                None => sections.push(Section::default().about(format!(
                    "In the database {} it owns {owned}. Owning is no grant; it stays as it is.",
                    database.database
                ))),
            }
        }
    }
    sections
}

/// What a new role would need to do what the old one does.
fn proposed(label: &str, at: &Imported, proposed: &Proposed, sections: &mut Vec<Section>) {
    if !proposed.owned.is_empty() {
        let fields: BTreeSet<&str> = proposed.owned.values().flatten().copied().collect();
        let mut rule = usual(proposed.owned.keys(), &fields);
        rule.insert("database_privileges".to_owned(), texts(["CONNECT"]));
        sections.push(grant(label, &at.database, &rule).about(
            "The role that signs in by password owns what is in these schemas. Owning is not handed on; this is what \
             applications do with such objects. Take out what the app does not do, such as DELETE.",
        ));
    }
    let first = sections.len();
    rules(label, &at.database, &proposed.held, sections);
    if let Some(section) = sections.get_mut(first) {
        section.comments.insert(0, "What was granted to the role that signs in by password.".to_owned());
    }
}

fn usual<'a>(schemas: impl Iterator<Item = &'a String>, fields: &BTreeSet<&str>) -> Attributes {
    let mut rule = Attributes::from([
        ("schemas".to_owned(), texts(schemas.cloned())),
        ("schema".to_owned(), texts(["USAGE"])),
        ("future".to_owned(), Value::Bool(true)),
    ]);
    for (field, words) in USUAL.into_iter().filter(|(field, _)| fields.contains(field)) {
        rule.insert(field.to_owned(), texts(words.iter().copied()));
    }
    rule
}

/// Without a look: what the app's settings say, and what applications usually do.
fn guessed(seen: &Seen, why: &str) -> Option<Section> {
    let database = seen.wanted.databases.first().or_else(|| seen.said.databases.first())?;
    let schemas =
        if seen.said.schemas.is_empty() { [String::from("public")].into() } else { seen.said.schemas.clone() };
    let mut rule = usual(schemas.iter(), &USUAL.iter().map(|(field, _)| *field).collect());
    rule.insert("database_privileges".to_owned(), texts(["CONNECT"]));
    Some(grant(&seen.role, database, &rule).about(format!("Nobody could look into the database: {why}.")).about(
        "Database and schemas are those that the app's settings name, the privileges what applications usually do. \
                 Check them; or import again with --connect-as ROLE --password-env VARIABLE.",
    ))
}

#[cfg(test)]
mod tests {
    use super::rules;
    use crate::model::Attributes;
    use crate::plan::write;
    use crate::resources::{Folded, FoldedRule};

    /// Each remark stands with its own database, whether that has tables or not.
    #[test]
    fn remarks_of_a_database_without_rules_stand_for_themselves() {
        let remark = |text: &str| vec![text.to_owned()];
        let rule = FoldedRule { rule: Attributes::new(), why: None };
        let mut sections = Vec::new();
        rules("r", "zero", &Folded { rules: Vec::new(), remarks: remark("Remark 0.") }, &mut sections);
        rules("r", "one", &Folded { rules: vec![rule], remarks: remark("Remark 1.") }, &mut sections);
        rules("r", "two", &Folded { rules: Vec::new(), remarks: remark("Remark 2.") }, &mut sections);
        insta::assert_snapshot!(write(&sections), @r#"
        # What no rule can say of the database zero, and stays as it is:
        # Remark 0.

        # What no rule can say, and stays as it is:
        # Remark 1.
        [[role.r.grants]]
        database = "one"

        # What no rule can say of the database two, and stays as it is:
        # Remark 2.
        "#);
    }
}
