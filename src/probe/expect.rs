//! Expectations: what stands at a path inside a JSON answer, and how it differs from what was wanted. Pure.

use serde_json::Value as Json;

use crate::model::Value;

/// The value at a path such as `database.checks[0].status`.
pub fn lookup<'a>(json: &'a Json, path: &str) -> Option<&'a Json> {
    let mut at = json;
    for part in path.split('.') {
        let (name, indexes) = part.split_once('[').map_or((part, None), |(name, rest)| (name, Some(rest)));
        if !name.is_empty() {
            at = at.get(name)?;
        }
        for index in indexes.into_iter().flat_map(|rest| rest.split('[')) {
            at = at.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
        }
    }
    Some(at)
}

/// What is wrong with the value at `path`, if it is not the wanted text, number or truth value.
pub fn complaint(json: &Json, path: &str, wanted: &Value) -> Option<String> {
    let wanted = Json::from(wanted);
    match lookup(json, path) {
        Some(found) if *found == wanted => None,
        Some(found) => Some(format!("{path} is {}, expected {wanted}", short(found))),
        None => Some(format!("{path} is missing, expected {wanted}")),
    }
}

fn short(json: &Json) -> String {
    let text = json.to_string();
    if text.chars().count() <= 80 { text } else { text.chars().take(79).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::{complaint, lookup};
    use crate::model::Value;
    use serde_json::json;

    #[test]
    fn paths_reach_into_objects_and_lists() {
        let body = json!({ "a": { "b": [{ "c": 1 }, [true, "x"]] } });
        assert_eq!(lookup(&body, "a.b[0].c"), Some(&json!(1)));
        assert_eq!(lookup(&body, "a.b[1][1]"), Some(&json!("x")));
        for path in ["a.c", "a.b[2]", "a.b[x]", "a.b[0", "a.b[-1]", "a..c", "a.b.c"] {
            assert_eq!(lookup(&body, path), None, "{path}");
        }
        assert_eq!(lookup(&json!([{ "c": 1 }]), "[0].c"), Some(&json!(1)));
    }

    #[test]
    fn types_have_to_be_the_same() {
        let body = json!({ "ok": true, "n": 1, "s": "1" });
        assert_eq!(complaint(&body, "ok", &Value::Bool(true)), None);
        assert_eq!(complaint(&body, "n", &Value::Int(1)), None);
        assert_eq!(complaint(&body, "s", &Value::Int(1)).unwrap(), "s is \"1\", expected 1");
        assert_eq!(complaint(&body, "x", &Value::text("y")).unwrap(), "x is missing, expected \"y\"");
    }

    #[test]
    fn a_large_value_is_cut() {
        let body = json!({ "s": "é".repeat(500) });
        assert!(complaint(&body, "s", &Value::Int(1)).unwrap().chars().count() < 120);
    }
}
