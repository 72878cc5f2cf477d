//! One way to write a JSON value as bytes, whatever spacing and order of keys it had, so that digests can be compared.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::model::hex;

/// The canonical text: keys in order, no spaces. Numbers are written as serde_json writes them; records hold whole ones only.
pub(super) fn canonical(json: &Json) -> String {
    let mut out = String::new();
    write(json, &mut out);
    out
}

fn write(json: &Json, out: &mut String) {
    match json {
        Json::Array(list) => {
            out.push('[');
            for (at, item) in list.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            // The map of serde_json keeps insertion order when another crate asks for that.
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            out.push('{');
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(name.as_str()).to_string());
                out.push(':');
                write(&map[name], out);
            }
            out.push('}');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

/// SHA-256 over parts, each preceded by its length so that no two inputs run together; in hex.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::{canonical, digest};
    use serde_json::json;

    #[test]
    fn order_and_spaces_do_not_matter() {
        let text = r#"{ "b": [1, {"z": null, "a": "ü\""}],   "a": true }"#;
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(canonical(&json), r#"{"a":true,"b":[1,{"a":"ü\"","z":null}]}"#);
        assert_eq!(canonical(&json!({ "a": true, "b": [1, { "a": "ü\"", "z": null }] })), canonical(&json));
    }

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["ab"]).len(), 64);
    }
}
