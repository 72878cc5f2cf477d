//! The reference page of the plan file, made from the descriptions that the checker goes by.

use std::fmt::Write as _;

use super::describe::{self, ALIASES, ROOT};
use crate::model::{Field, Nature, Schema, Type};

const OPENING: &str = "\
# The plan file

A plan file is TOML. This page is made from the same descriptions that check it; `pgentra schema` prints them as a JSON
Schema for editors.

## Values

| form | meaning |
|---|---|
| `\"... ${name} ...\"` | a variable of `[variables]`, filled in inside any text, label or key; `$${` stands for `${` itself |
| `{ ref = \"role.x.name\" }` | an output of another resource; the whole value, where the field takes references |
| `{ env = \"NAME\" }` | a secret, taken from an environment variable when it is needed; for settings and passwords |
| `5m`, `24h`, `7d`, `1d 12h` | spans of time: seconds `s`, minutes `m`, hours `h`, days `d`, weeks `w` |

## One table for many

`for_each` repeats a labelled table, or a table in a list, once for each item of a list, of a table, or of a variable that
holds one. Inside it `${each.key}` is the item (or its key), `${each.value}` its text, `${each.value.NAME}` one of its
texts. `extends` begins a table with what `[template.NAME]` says. There is no expression language.

```toml
[variables]
apps = { default = { catalog = { schema = \"cat\" }, tiles = { schema = \"tiles\" } } }

[template.app]
identity = \"system\"

[app.\"${each.key}\"]
for_each = \"${apps}\"
extends = \"app\"
settings = { APP_SCHEMA = \"${each.value.schema}\" }
```

What differs between environments stands in files of variables: `--var-file prod.toml`, where a list is a list and a table a
table. `--var` and `PGENTRA_VAR_apps` give them as TOML: `--var 'apps=[\"a\", \"b\"]'`.

## Names

A name with other characters than letters, digits, `-` and `_` stands in double quotes:
`{ ref = 'role.\"app/slots/staging\".name' }`.

";

/// The reference of the plan file in Markdown, for these kinds.
pub fn reference(schemas: &[&'static Schema]) -> String {
    let mut page = OPENING.to_owned();
    let root: Vec<&'static Field> = ROOT.iter().collect();
    section(&mut page, 2, "The top", "", &root);
    for field in ROOT {
        match field.ty {
            Type::Table(fields) => nested(&mut page, 2, &format!("[{}]", field.name), field.doc, fields),
            Type::Map(Type::Table(fields)) => {
                nested(&mut page, 2, &format!("[{}.<label>]", field.name), field.doc, fields);
            }
            _ => {}
        }
    }
    for schema in schemas {
        kind(&mut page, schema);
    }
    page
}

fn kind(page: &mut String, schema: &'static Schema) {
    let nature = match schema.nature {
        Nature::Resource => "",
        Nature::Check => " It changes nothing.",
        Nature::Gate => " It holds what leans on it.",
    };
    let title = format!("[resource.{}.<label>]", schema.kind);
    let fields = describe::written(schema);
    section(page, 2, &title, &format!("{}{nature}", schema.doc), &fields);
    if !schema.outputs.is_empty() {
        page.push_str("| output | meaning | known |\n|---|---|---|\n");
        for output in schema.outputs {
            let known = output.same_as.map_or("after apply".to_owned(), |same| format!("at once: it is `{same}`"));
            let _ = writeln!(page, "| `{}` | {} | {known} |", output.name, cell(output.doc));
        }
        page.push('\n');
        if let Some((alias, _)) = ALIASES.iter().find(|(_, kind)| *kind == schema.kind) {
            let output = schema.outputs.first().map_or("", |output| output.name);
            let _ = writeln!(
                page,
                "Refer to it as `{{ ref = \"{}.<label>.{output}\" }}`, or as `{{ ref = \"{alias}.<label>.{output}\" }}` when \
                 it comes from `[{alias}.<label>]`.\n",
                schema.kind
            );
        }
    }
    for field in describe::in_plan(schema.fields) {
        inner(page, &title, field);
    }
}

fn nested(page: &mut String, level: usize, title: &str, doc: &str, fields: &'static [Field]) {
    let fields: Vec<&'static Field> = describe::in_plan(fields).collect();
    section(page, level, title, doc, &fields);
    for field in fields {
        inner(page, title, field);
    }
}

/// The tables inside a field.
fn inner(page: &mut String, title: &str, field: &'static Field) {
    let path = title.trim_start_matches('[').trim_end_matches(']');
    let tables: &[Type] = match &field.ty {
        Type::Any(types) => types,
        ty => std::slice::from_ref(ty),
    };
    for ty in tables {
        match ty {
            Type::Table(fields) => nested(page, 3, &format!("[{path}.{}]", field.name), field.doc, fields),
            Type::List(Type::Table(fields)) => {
                nested(page, 3, &format!("[[{path}.{}]]", field.name), field.doc, fields);
            }
            _ => {}
        }
    }
}

fn section(page: &mut String, level: usize, title: &str, doc: &str, fields: &[&'static Field]) {
    let title = if title.starts_with('[') { format!("`{title}`") } else { title.to_owned() };
    let _ = writeln!(page, "{} {title}\n", "#".repeat(level));
    if !doc.is_empty() {
        let _ = writeln!(page, "{doc}\n");
    }
    page.push_str("| field | holds | | meaning |\n|---|---|---|---|\n");
    for field in fields {
        let _ = writeln!(page, "| `{}` | {} | {} | {} |", field.name, holds(field), role(field), cell(field.doc));
    }
    page.push('\n');
    let lines: Vec<String> = fields
        .iter()
        .filter(|field| field.required && !describe::from_azure(field.name))
        .map(|field| format!("{} = {}", field.name, describe::example(&field.ty)))
        .collect();
    if title.starts_with('`') && !lines.is_empty() {
        let header = title.trim_matches('`').replace("<label>", "x");
        let _ = writeln!(page, "```toml\n{header}\n{}\n```\n", lines.join("\n"));
    }
}

fn holds(field: &Field) -> String {
    let holds = cell(&describe::type_name(&field.ty));
    match (field.reference, &field.ty) {
        (false, _) => holds,
        (true, Type::Map(_)) => format!("{holds} of texts, references or secrets"),
        (true, _) => format!("{holds}, or a reference"),
    }
}

fn role(field: &Field) -> &'static str {
    match (field.required, field.key) {
        (true, _) if describe::from_azure(field.name) => "key; default: that of `[azure]`",
        (true, true) => "required, key",
        (true, false) => "required",
        (false, true) => "key",
        (false, false) => "",
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::super::test_kinds::KINDS;
    use super::reference;

    #[test]
    fn every_table_and_field_is_on_the_page() {
        let page = reference(&KINDS);
        for part in [
            "## `[server.<label>]`",
            "### `[[role.<label>.grants]]`",
            "### `[[app.<label>.probe]]`",
            "### `[app.<label>.identity]`",
            "## `[resource.database_role.<label>]`",
            "### `[[resource.database_grants.<label>.grants]]`",
            "| `require_settings` | a list of text |",
            "| `name` | An output. | at once: it is `name` |",
            "`{ ref = \"role.<label>.name\" }`",
        ] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        assert!(!page.contains("Restated."), "what only a look fills in is not written in a plan file");
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            let cells = line.replace("\\|", "").matches('|').count();
            assert!((3..=5).contains(&cells), "{line}");
        }
    }
}
