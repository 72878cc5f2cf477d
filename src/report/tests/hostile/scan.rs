//! Strict readers of what reports are written in: they answer the structure, and take nothing that a lenient one would bend.

use serde_json::Value as Json;

use super::HARMLESS;
use crate::model::is_unsafe;

/// Fails where a text could do something to a terminal or a CI system.
pub fn tame(text: &str) {
    for line in text.split('\n') {
        assert!(!line.chars().any(is_unsafe), "an unsafe character: {line:?}");
        assert!(!line.trim_start().starts_with("::"), "a command of GitHub's: {line:?}");
        for (at, _) in line.match_indices("##") {
            let rest = line[at..].trim_start_matches('#').trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            assert!(!rest.starts_with('['), "a command: {line:?}");
        }
    }
}

/// The shape of JSON: types, and keys, where one that holds the name counts as the name.
pub fn shape(json: &Json, name: &str) -> Json {
    match json {
        Json::String(_) => "text".into(),
        Json::Array(list) => list.iter().map(|one| shape(one, name)).collect(),
        Json::Object(map) => {
            let key = |key: &String| key.replace(name, HARMLESS);
            Json::Object(map.iter().map(|(name_of, value)| (key(name_of), shape(value, name))).collect())
        }
        other => other.clone(),
    }
}

/// How many texts of some JSON are exactly the name.
pub fn exactly(json: &Json, name: &str) -> usize {
    match json {
        Json::String(text) => usize::from(text == name),
        Json::Array(list) => list.iter().map(|one| exactly(one, name)).sum(),
        Json::Object(map) => map.iter().map(|(key, one)| usize::from(key == name) + exactly(one, name)).sum(),
        _ => 0,
    }
}

/// The tags of HTML or XML in their order, with the names of their attributes and, of those that say what is shown, the values.
/// Every tag has to be closed, every value quoted, every `<`, `>` and `&` of a text written as an entity.
pub fn tags(text: &str) -> Vec<String> {
    const ALONE: [&str; 4] = ["meta", "input", "!doctype", "?xml"];
    const TELLING: [&str; 4] = ["class", "data-symbol", "type", "role"];
    let (mut found, mut open, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some((before, after)) = rest.split_once('<') {
        if let Some(raw) = open.last().filter(|name| ["script", "style"].contains(&String::as_str(name))) {
            let (_, after) = rest.split_once(&format!("</{raw}>")).expect("it is closed");
            open.pop();
            rest = after;
            continue;
        }
        entities(before);
        let (tag, after) = after.split_once('>').unwrap_or_else(|| panic!("not closed: {after:.80}"));
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed in another order");
            found.push(format!("/{name}"));
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let empty = attributes.ends_with('/') || name.ends_with('/');
        let name = name.trim_end_matches('/').to_ascii_lowercase();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "!?".contains(c)), "a tag called {name:?}");
        let mut told = name.clone();
        for (key, value) in attributes_of(attributes.trim_end_matches(['/', '?'])) {
            if name != "td" {
                told.push(' ');
                told.push_str(&key);
            }
            // How a cell is broken depends on how long its text is.
            if TELLING.contains(&key.as_str()) && name != "td" {
                told.push('=');
                told.push_str(&value);
            }
        }
        found.push(told);
        if !empty && !ALONE.contains(&name.as_str()) {
            open.push(name);
        }
    }
    entities(rest);
    assert!(open.is_empty(), "never closed: {open:?}");
    found
}

fn attributes_of(mut text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while !text.trim().is_empty() {
        let text_of = text.trim_start();
        let end = text_of.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(text_of.len());
        let (key, after) = text_of.split_at(end);
        assert!(!key.is_empty(), "no attribute: {text_of:?}");
        let (value, after) = match after.strip_prefix("=\"") {
            Some(value) => value.split_once('"').expect("the value is closed"),
            None => ("", after),
        };
        assert!(after.is_empty() || after.starts_with(' '), "more than an attribute: {after:?}");
        entities(value);
        found.push((key.to_owned(), value.to_owned()));
        text = after;
    }
    found
}

/// A text holds no markup, and its ampersands begin entities.
pub fn entities(text: &str) {
    assert!(!text.contains(['<', '>']), "markup in {text:?}");
    for (at, _) in text.match_indices('&') {
        let (entity, _) = text[at + 1..].split_once(';').unwrap_or_else(|| panic!("no entity: {text:?}"));
        let numbered = entity.strip_prefix('#').is_some_and(|code| code.parse::<u32>().is_ok());
        assert!(numbered || ["amp", "lt", "gt", "quot"].contains(&entity), "no entity: &{entity};");
    }
}

/// The blocks of Markdown, one line each, as GitHub would read them; nothing in a text may be structure.
pub fn blocks(text: &str) -> Vec<String> {
    let (mut found, mut lines) = (Vec::new(), text.lines());
    while let Some(line) = lines.next() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        if ticks >= 3 {
            let inside = lines.by_ref().take_while(|line| !closes(line, ticks)).count();
            found.push(format!("fence of {:?} with {inside} lines", &line[ticks..]));
        } else if let Some(rest) = line.strip_prefix("<details><summary><code>") {
            entities(rest.strip_suffix("</code></summary>").expect("the summary is closed"));
            found.push("<details>".to_owned());
        } else if line.is_empty() || line == "</details>" || line.starts_with("| ---") || line.starts_with("|---") {
            found.push(line.to_owned());
        } else if let Some(comment) = line.strip_prefix("<!-- ") {
            assert!(!comment.strip_suffix(" -->").expect("it is closed").contains(['>', '<', '-']), "{line:?}");
            found.push("comment".to_owned());
        } else if let Some(row) = line.strip_prefix("| ") {
            let cells: Vec<&str> = row.strip_suffix(" |").expect("the row is closed").split('|').collect();
            for cell in &cells {
                inline(cell);
            }
            found.push(format!("row of {}", cells.len()));
        } else {
            let marks = ["### ", "## ", "# ", "> ⚠️ ", "- "];
            let mark = marks.into_iter().find(|mark| line.starts_with(mark)).unwrap_or_default();
            inline(line[mark.len()..].trim_start_matches("**").trim_end_matches("**"));
            found.push(format!("{mark}text"));
        }
    }
    found
}

/// Whether a line ends a fence of so many backticks: at most three blanks, as many backticks or more, and nothing else.
fn closes(line: &str, ticks: usize) -> bool {
    let ended = line.trim_start_matches(' ');
    let count = ended.len() - ended.trim_start_matches('`').len();
    line.len() - ended.len() <= 3 && count >= ticks && ended[count..].trim().is_empty()
}

/// Running text: plain characters and code whose marks are entities.
fn inline(text: &str) {
    let outside = text.replace("<code>", "").replace("</code>", "");
    entities(&outside);
    let mut bare = String::new();
    let mut rest = outside.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        bare += before;
        rest = after.split_once(';').expect("entities were looked at").1;
    }
    bare += rest;
    let harmless = |c: char| c.is_alphanumeric() || " .,;:()'\"/=+%?!-".contains(c);
    assert!(bare.chars().all(harmless), "Markdown would read {text:?}");
    assert!(!outside.contains("://") && !outside.contains("www."), "a link in {text:?}");
    let begins = bare.trim_start_matches(|c: char| c.is_ascii_digit());
    let list = bare != begins && begins.starts_with(['.', ')']) && !text.starts_with("<code>");
    assert!(!list && !["- ", "+ ", "=", "    "].iter().any(|mark| text.starts_with(mark)), "a list in {text:?}");
}
