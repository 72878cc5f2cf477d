//! The text of a plan file with stars where a secret may stand: what a message may quote of it.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::describe;
use super::lower_app::secret_header;
use crate::model::looks_secret;

/// The same text, byte for byte as long and line for line as wide, with a star for each byte of what may be a secret:
/// what stands under a name that is called like one or that a `sensitive` list names, and what looks like one.
pub fn masked(text: &str) -> String {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut mask = Mask { text, sensitive: BTreeSet::new(), secret: Vec::new(), seen: Vec::new() };
    mask.listed(root.get_ref());
    mask.document(root.get_ref());
    let starred = mask.starred();
    if errors.is_empty() {
        return outside(&starred, &mask.seen, mask_line);
    }
    // What the parser skipped it says nothing about.
    by_lines(&starred)
}

/// Words of the format itself that are called like a secret and never hold one.
const HARMLESS: [&str; 8] = [
    "fresh_token",
    "key",
    "key_vault",
    "password_auth",
    "password_login",
    "password_setting",
    "role_password",
    "server_password_auth",
];

/// Tables whose keys are names from outside.
const FREE: [&str; 4] = ["variables", "settings", "headers", "connections"];

struct Mask<'t> {
    text: &'t str,
    /// Names that a `sensitive` list has.
    sensitive: BTreeSet<String>,
    /// What is starred, with its delimiters.
    secret: Vec<Range<usize>>,
    /// Every text and every key.
    seen: Vec<Range<usize>>,
}

impl Mask<'_> {
    /// Collects the names in every list called `sensitive`.
    fn listed(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Array(names) if key.get_ref() == "sensitive" => {
                    self.sensitive.extend(names.iter().filter_map(|name| name.get_ref().as_str().map(str::to_owned)));
                }
                DeValue::Array(items) => {
                    items.iter().filter_map(|item| item.get_ref().as_table()).for_each(|item| self.listed(item));
                }
                DeValue::Table(inner) => self.listed(inner),
                _ => {}
            }
        }
    }

    /// Labels are names of things, so that what stands under `[app.token-service]` is not hidden.
    fn document(&mut self, root: &DeTable<'_>) {
        for (key, value) in root {
            self.key(key);
            let depth = match key.get_ref().as_ref() {
                "resource" => 2,
                "template" => 1,
                name if describe::is_labelled(name) => 1,
                name => {
                    self.value(value, self.named(name, false), FREE.contains(&name));
                    continue;
                }
            };
            self.labels(value, depth);
        }
    }

    fn labels(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) {
        let Some(table) = value.get_ref().as_table().filter(|_| depth > 0) else {
            return self.value(value, false, false);
        };
        for (key, inner) in table {
            self.key(key);
            let named = inner.get_ref().as_table().is_none() && self.named(key.get_ref(), true);
            if named { self.value(inner, true, false) } else { self.labels(inner, depth - 1) }
        }
    }

    fn named(&self, name: &str, free: bool) -> bool {
        self.sensitive.contains(name) || (secret_header(name) && (free || !HARMLESS.contains(&name)))
    }

    /// A value, whether it stands under a secret name, and whether its keys are names from outside.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, named: bool, free: bool) {
        match value.get_ref() {
            DeValue::String(text) => {
                self.seen.push(value.span());
                if named || looks_secret(text) {
                    self.secret.push(value.span());
                }
            }
            DeValue::Array(items) => items.iter().for_each(|item| self.value(item, named, free)),
            DeValue::Table(table) => {
                for (key, inner) in table {
                    self.key(key);
                    let name = key.get_ref().as_ref();
                    let pointer = ["env", "ref"].contains(&name) && inner.get_ref().as_str().is_some();
                    let named = !pointer && (named || self.named(name, free));
                    self.value(inner, named, FREE.contains(&name));
                }
            }
            DeValue::Boolean(_) => {}
            _ if named => self.secret.push(value.span()),
            _ => {}
        }
    }

    fn key(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>) {
        self.seen.push(key.span());
        if looks_secret(key.get_ref()) {
            self.secret.push(key.span());
        }
    }

    fn starred(&self) -> String {
        let mut bytes = self.text.as_bytes().to_vec();
        for span in &self.secret {
            let Some(part) = self.text.get(span.clone()) else { continue };
            let quotes = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| part.starts_with(quotes));
            let open = quotes.map_or(0, str::len);
            let closed = quotes.is_some_and(|quotes| part.len() >= 2 * open && part.ends_with(quotes));
            let end = if closed { span.end - open } else { span.end };
            if let Some(inside) = bytes.get_mut(span.start + open..end) {
                inside.iter_mut().filter(|byte| !b"\r\n".contains(byte)).for_each(|byte| *byte = b'*');
            }
        }
        // Whole characters were starred, so that this gives back what it was given.
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// The text with what stands outside `seen`, such as a comment, told line by line.
fn outside(text: &str, seen: &[Range<usize>], tell: fn(&str) -> String) -> String {
    let mut seen: Vec<&Range<usize>> = seen.iter().collect();
    seen.sort_by_key(|span| span.start);
    let (mut out, mut at) = (String::new(), 0);
    let lines = |part: &str| part.split_inclusive('\n').map(tell).collect::<String>();
    for span in seen.into_iter().filter(|span| span.start < span.end) {
        let (Some(before), Some(inside)) = (text.get(at..span.start), text.get(span.clone())) else { continue };
        out.push_str(&lines(before));
        out.push_str(inside);
        at = span.end;
    }
    out.push_str(&lines(&text[at..]));
    out
}

/// For what could not be parsed: a text of several lines under a secret name is hidden up to where it ends.
fn by_lines(text: &str) -> String {
    let mut open: Option<&str> = None;
    let mut out = String::new();
    for line in text.split_inclusive('\n') {
        if let Some(quotes) = open {
            let end = line.find(quotes);
            out.push_str(&stars(&line[..end.unwrap_or(line.len())]));
            out.push_str(end.map_or("", |end| &line[end..]));
            open = open.filter(|_| end.is_none());
            continue;
        }
        out.push_str(&mask_line(line));
        let value =
            line.split_once('=').filter(|(name, _)| secret_header(unquoted(name))).map(|(_, value)| value.trim());
        let quotes = ["\"\"\"", "'''"].into_iter();
        open = value.and_then(|value| quotes.into_iter().find(|quotes| value.matches(quotes).count() == 1));
    }
    out
}

fn unquoted(name: &str) -> &str {
    name.trim().trim_matches(['"', '\''])
}

/// A star for each byte but those that end a line.
fn stars(text: &str) -> String {
    text.bytes().map(|byte| if b"\r\n".contains(&byte) { char::from(byte) } else { '*' }).collect()
}

/// One line without the help of a parser: the value behind each `NAME =` that is called like a secret, up to the quotes or
/// the comma that ends it, and every word that looks like one.
fn mask_line(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((name, value)) = rest.split_once('=') {
        out.push_str(name);
        out.push('=');
        rest = value;
        let last = name.rsplit(['{', ',', '[', '#', ' ', '\t']).find(|word| !word.is_empty()).unwrap_or_default();
        if !secret_header(unquoted(last)) || HARMLESS.contains(&last) {
            continue;
        }
        let bare = rest.trim_start_matches([' ', '\t']);
        if bare.starts_with(['{', '[']) {
            continue;
        }
        out.push_str(&rest[..rest.len() - bare.len()]);
        let quotes =
            ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| bare.starts_with(quotes)).unwrap_or_default();
        out.push_str(quotes);
        let inside = &bare[quotes.len()..];
        let end = if quotes.is_empty() { inside.find([',', '}', ']', '#']) } else { closing(inside, quotes) };
        // What goes on behind the closing quotes is a part of it that somebody forgot to escape.
        let ends = |at: &usize| {
            let behind = inside[at + quotes.len()..].trim_start_matches([' ', '\t']);
            behind.is_empty() || behind.starts_with([',', '}', ']', '#', '\r', '\n'])
        };
        let (secret, after) = inside.split_at(end.filter(ends).unwrap_or(inside.len()));
        let body = secret.trim_end();
        out.push_str(&stars(body));
        out.push_str(&secret[body.len()..]);
        rest = after;
    }
    out.push_str(rest);
    words(&out)
}

/// Where the closing quotes stand: those that no backslash stands before.
fn closing(inside: &str, quotes: &str) -> Option<usize> {
    inside.match_indices(quotes).map(|(at, _)| at).find(|at| !inside[..*at].ends_with('\\'))
}

fn words(line: &str) -> String {
    if !looks_secret(line) {
        return line.to_owned();
    }
    let mask = |word: &str| {
        let body = word.trim_end();
        if looks_secret(body) { format!("{}{}", stars(body), &word[body.len()..]) } else { word.to_owned() }
    };
    let words: String = line.split_inclusive(char::is_whitespace).map(mask).collect();
    if looks_secret(&words) { stars(line) } else { words }
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
