//! A JSON Schema of the plan file, for editors, made from the descriptions that the checker goes by.

use serde_json::{Map, Value as Json, json};

use super::describe::{self, ROOT};
use crate::model::{Field, Schema, Type};

/// A text in which a variable is still to be filled in.
const VARIABLE: &str = r"\$\{[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*\}";

/// The JSON Schema (draft 7) of plan files with these kinds. Texts with variables in them are admitted everywhere, as a
/// schema cannot know what they will be.
pub fn json_schema(schemas: &[&'static Schema]) -> Json {
    let root: Vec<&'static Field> = ROOT.iter().collect();
    let mut schema = table(&root, &|_| false);
    let kinds: Map<String, Json> = schemas.iter().map(|schema| (schema.kind.to_owned(), kind(schema))).collect();
    schema["properties"]["template"] = json!({
        "type": "object",
        "description": "Tables that are nothing by themselves, by name; other tables begin with them by `extends`.",
        "additionalProperties": { "type": "object" },
    });
    schema["properties"]["version"] = json!({ "const": 1, "description": "The version of this format." });
    schema["properties"]["resource"] = json!({
        "type": "object",
        "description": "Resources by kind and label.",
        "properties": kinds,
        "additionalProperties": false,
    });
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("pgentra plan file");
    schema
}

fn kind(schema: &'static Schema) -> Json {
    let one = table(&describe::written(schema), &describe::from_azure);
    json!({ "type": "object", "description": schema.doc, "additionalProperties": one })
}

fn table(fields: &[&'static Field], optional: &dyn Fn(&str) -> bool) -> Json {
    let properties: Map<String, Json> = fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required && !optional(field.name)).map(|field| field.name).collect();
    let mut table = json!({ "type": "object", "properties": properties, "additionalProperties": false });
    if !required.is_empty() && fields.iter().any(|field| field.name == "extends") {
        // What is required may stand in the template.
        table["anyOf"] = json!([{ "required": required }, { "required": ["extends"] }]);
    } else if !required.is_empty() {
        table["required"] = json!(required);
    }
    table
}

fn property(field: &'static Field) -> Json {
    let mut schema = match (&field.ty, field.reference) {
        (Type::Map(item), true) => json!({
            "type": "object",
            "additionalProperties": or_special(item, true),
        }),
        (Type::List(item), true) => {
            json!({ "type": "array", "items": or_special(item, false) })
        }
        (ty, true) => or_special(ty, false),
        (ty, false) => of(ty),
    };
    schema["description"] = json!(field.doc);
    schema
}

/// A value, or a reference, or (where it may be one) a secret.
fn or_special(ty: &'static Type, secret: bool) -> Json {
    let mut forms = vec![of(ty), mark("ref", "kind.name.output")];
    if secret {
        forms.push(mark("env", "NAME"));
    }
    any(&forms)
}

fn mark(name: &str, example: &str) -> Json {
    json!({
        "type": "object",
        "properties": { name: { "type": "string", "examples": [example] } },
        "required": [name],
        "additionalProperties": false,
    })
}

fn any(forms: &[Json]) -> Json {
    json!({ "anyOf": forms })
}

fn pattern(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": format!("{pattern}|{VARIABLE}") })
}

fn of(ty: &'static Type) -> Json {
    match ty {
        Type::Bool => json!({ "type": "boolean" }),
        Type::Int => json!({ "type": "integer" }),
        Type::Text => json!({ "type": "string" }),
        Type::Word(words) => any(&[json!({ "enum": words }), json!({ "type": "string", "pattern": VARIABLE })]),
        Type::Duration => pattern(r"^\s*([0-9]+[smhdw]\s*)+$"),
        Type::Guid => pattern("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
        Type::Map(Type::Bool) => json!({ "type": "array", "items": { "type": "string" } }),
        Type::List(item) => json!({ "type": "array", "items": of(item) }),
        Type::Map(item) => json!({ "type": "object", "additionalProperties": of(item) }),
        Type::Table(fields) => {
            let fields: Vec<&'static Field> = describe::in_plan(fields).collect();
            table(&fields, &|_| false)
        }
        Type::Any(types) => any(&types.iter().map(of).collect::<Vec<_>>()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_kinds::KINDS;
    use super::super::tests::{GUIDE, plans};
    use super::json_schema;

    fn passes(text: &str) -> bool {
        let json: serde_json::Value = toml::from_str(text).unwrap();
        let schema = json_schema(&KINDS);
        jsonschema::draft7::meta::validate(&schema).unwrap();
        jsonschema::draft7::new(&schema).unwrap().is_valid(&json)
    }

    #[test]
    fn every_plan_passes() {
        for (name, text) in plans() {
            assert!(passes(&text), "{name}");
        }
        assert!(passes(&GUIDE.replace("type = \"group\"", "type = \"${tenant}\"")));
    }

    #[test]
    fn what_the_checker_refuses_by_shape_fails() {
        for (from, to) in [
            ("entra_auth = true", "entra_auht = true"),
            ("entra_auth = true", "entra_auth = \"true\""),
            ("version = 1", "version = 2"),
            ("type = \"group\"", "type = \"gruop\""),
            ("server = \"rmhpgflex\"\n", "\n"),
            ("\"SELECT\", \"INSERT\"", "\"SELCT\""),
            ("11111111-1111-4111-8111-111111111111", "x\", other = \""),
            ("{ ref = \"role.rmhazuregeoapi-identity.name\" }", "{ reff = \"role.x.name\" }"),
            ("[server.rmhpgflex]", "[resource.server_aut.x]\n[server.rmhpgflex]"),
            ("[server.rmhpgflex]", "[resource.database_grants.x]\nprivileges = {}\n[server.rmhpgflex]"),
        ] {
            assert!(GUIDE.contains(from), "{from}");
            assert!(!passes(&GUIDE.replacen(from, to, 1)), "{to}");
        }
    }
}
