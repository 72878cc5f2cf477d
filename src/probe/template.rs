//! Paths with places such as `{job_id}` that an earlier answer fills in. Pure.

use serde_json::Value as Json;

use super::lookup;

/// The names of the places in a path, in order.
///
/// # Errors
/// One line, when a brace is not closed or a place has no name.
pub fn places(path: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    for rest in path.split('{').skip(1) {
        match rest.split_once('}') {
            Some(("", _)) => return Err("a place between { and } has no name; name what the answer holds".to_owned()),
            Some((name, _)) => found.push(name),
            None => return Err("a { is not closed; write a place as {job_id}".to_owned()),
        }
    }
    Ok(found)
}

/// The path with each place replaced by the text or whole number that `answer` holds there, percent-encoded.
///
/// # Errors
/// One line that names what the answer lacks.
pub fn fill(path: &str, answer: &Json) -> Result<String, String> {
    let mut filled = path.to_owned();
    for name in places(path)? {
        let value = match lookup(answer, name) {
            Some(Json::String(text)) => text.clone(),
            Some(Json::Number(number)) => number.to_string(),
            Some(_) => return Err(format!("{name} in the answer is no text and no number")),
            None => return Err(format!("the answer has no {name}")),
        };
        filled = filled.replacen(&format!("{{{name}}}"), &encoded(&value), 1);
    }
    Ok(filled)
}

/// A value from outside cannot become another path.
fn encoded(value: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        b'.' if !value.trim_matches('.').is_empty() => ".".to_owned(),
        byte => format!("%{byte:02X}"),
    };
    value.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::{fill, places};
    use serde_json::json;

    #[test]
    fn places_are_filled_from_the_answer() {
        let answer = json!({ "job": { "id": "a/../b?c" }, "n": 7, "dots": "..", "list": [] });
        assert_eq!(fill("/jobs/{job.id}/{n}", &answer).unwrap(), "/jobs/a%2F..%2Fb%3Fc/7");
        assert_eq!(fill("/jobs/{dots}", &answer).unwrap(), "/jobs/%2E%2E");
        assert_eq!(fill("/jobs", &answer).unwrap(), "/jobs");
        assert_eq!(fill("/{gone}", &answer).unwrap_err(), "the answer has no gone");
        assert!(fill("/{list}", &answer).is_err());
    }

    #[test]
    fn braces_have_to_be_closed_and_named() {
        assert_eq!(places("/a/{b}/{c.d}"), Ok(vec!["b", "c.d"]));
        assert!(places("/a/{b").is_err() && places("/a/{}").is_err());
    }
}
