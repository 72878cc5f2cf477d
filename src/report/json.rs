//! Page -> JSON text; values with what is secret or not yet known taken out and marked in masks.

use serde_json::{Map, Value as Json};

use super::clean::{SENSITIVE, clean_json, hide_secrets};
use super::page::Page;
use crate::model::{Attributes, Value, looks_secret, secret_name};

/// The data of a page, indented, ended by a newline; byte-stable for the same page.
pub fn json(page: &Page) -> String {
    json_text(&page.data)
}

/// Any data as safe, indented JSON text ended by a newline.
pub fn json_text(data: &Json) -> String {
    clean_json(&format!("{:#}\n", redacted(data)))
}

/// One line of safe JSON, for streams of events.
pub fn json_line(data: &Json) -> String {
    clean_json(&format!("{}\n", redacted(data)))
}

fn redacted(data: &Json) -> Json {
    match data {
        Json::String(text) => Json::String(hide_secrets(text)),
        Json::Array(list) => list.iter().map(redacted).collect(),
        Json::Object(map) => Json::Object(map.iter().map(|(name, value)| (name.clone(), redacted(value))).collect()),
        other => other.clone(),
    }
}

/// Whether a value of this name is not shown: a secret, or a text that looks like one. Secrets should be gone before
/// the report; this is the second fence.
pub(super) fn hides(name: &str, value: &Value) -> bool {
    match value {
        Value::Secret(_) => true,
        Value::Text(text) => looks_secret(text) || (secret_name(name) && !text.starts_with("@Microsoft.KeyVault(")),
        _ => false,
    }
}

/// Attributes as shown: secrets as `(sensitive value)`, open values as null, PostgreSQL letters as text.
pub(super) fn shown(attributes: Option<&Attributes>) -> Json {
    attributes.map_or(Json::Null, show_map)
}

fn show_map(map: &Attributes) -> Json {
    Json::Object(map.iter().map(|(name, value)| (name.clone(), show(name, value))).collect())
}

fn show(name: &str, value: &Value) -> Json {
    match value {
        value if hides(name, value) => Json::String(SENSITIVE.to_owned()),
        Value::Letters(letters) => Json::String(letters.as_str().to_owned()),
        Value::List(list) => list.iter().map(|value| show(name, value)).collect(),
        Value::Map(map) => show_map(map),
        Value::Open(_) => Json::Null,
        plain => Json::from(plain),
    }
}

/// Where open values stand: `true` at each, in the shape of the attributes.
pub(super) fn unknown_mask(attributes: Option<&Attributes>) -> Json {
    mask(attributes, &|_, value| matches!(value, Value::Open(_)))
}

/// Where values that are not shown stand.
pub(super) fn sensitive_mask(attributes: Option<&Attributes>) -> Json {
    mask(attributes, &hides)
}

type Test<'a> = &'a dyn Fn(&str, &Value) -> bool;

fn mask(attributes: Option<&Attributes>, test: Test<'_>) -> Json {
    attributes.map_or(Json::Object(Map::new()), |map| mask_map(map, test))
}

fn mask_map(map: &Attributes, test: Test<'_>) -> Json {
    let marked = map.iter().filter_map(|(name, value)| Some((name.clone(), mark(name, value, test)?)));
    Json::Object(marked.collect())
}

fn mark(name: &str, value: &Value, test: Test<'_>) -> Option<Json> {
    match value {
        value if test(name, value) => Some(Json::Bool(true)),
        Value::Map(map) => Some(mask_map(map, test)).filter(|mask| mask.as_object().is_some_and(|map| !map.is_empty())),
        Value::List(list) => {
            let marks: Vec<Option<Json>> = list.iter().map(|value| mark(name, value, test)).collect();
            let any = marks.iter().any(Option::is_some);
            any.then(|| marks.into_iter().map(|mark| mark.unwrap_or(Json::Bool(false))).collect())
        }
        _ => None,
    }
}
