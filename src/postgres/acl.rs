//! Reads access control lists as the catalog writes them: `{owner=arwdDxt/owner,"\"na me\"=r*w/owner",=X/owner}`.

use std::collections::BTreeMap;

/// The privileges of one grantee, all grantors together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The letters it has.
    pub letters: String,
    /// The letters it may grant to others.
    pub options: String,
}

/// An access control list: grantee -> what it has. PUBLIC is the empty name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(pub BTreeMap<String, Held>);

impl Acl {
    /// Reads the text of an `aclitem[]`. `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut acl = Self::default();
        for item in elements(text)? {
            let (grantee, letters, options) = parse_item(&item)?;
            let held = acl.0.entry(grantee).or_default();
            merge(&mut held.letters, &letters);
            merge(&mut held.options, &options);
        }
        Some(acl)
    }

    /// The letters that a grantee has itself; those of PUBLIC and of its memberships do not count.
    pub fn letters(&self, grantee: &str) -> &str {
        self.0.get(grantee).map_or("", |held| held.letters.as_str())
    }

    /// The letters that a grantee may grant to others.
    pub fn options(&self, grantee: &str) -> &str {
        self.0.get(grantee).map_or("", |held| held.options.as_str())
    }
}

fn merge(into: &mut String, letters: &str) {
    for letter in letters.chars() {
        if !into.contains(letter) {
            into.push(letter);
        }
    }
}

/// The elements of a one-dimensional array literal without NULLs.
fn elements(text: &str) -> Option<Vec<String>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    if inner.is_empty() {
        return Some(found);
    }
    let mut chars = inner.chars();
    let (mut element, mut quoted) = (String::new(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => element.push(chars.next()?),
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut element)),
            c => element.push(c),
        }
    }
    found.push(element);
    (!quoted).then_some(found)
}

/// One `grantee=letters/grantor`; a `*` after a letter is the grant option.
fn parse_item(item: &str) -> Option<(String, String, String)> {
    let (grantee, rest) = take_role(item)?;
    let (privileges, grantor) = rest.strip_prefix('=')?.split_once('/')?;
    let (_, after) = take_role(grantor)?;
    let (mut letters, mut options) = (String::new(), String::new());
    for c in privileges.chars() {
        match c {
            '*' => options.push(letters.chars().last()?),
            c if c.is_ascii_alphabetic() => letters.push(c),
            _ => return None,
        }
    }
    after.is_empty().then_some((grantee, letters, options))
}

/// A role name: bare up to `=`, or in quotes with quotes doubled; empty for PUBLIC.
fn take_role(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find('=').unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        let Some(more) = after.strip_prefix('"') else { return Some((name, after)) };
        name.push('"');
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::{Acl, Held};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What `aclitemout` and `array_out` write.
    fn write(acl: &[(String, String, String)]) -> String {
        let role = |name: &str| {
            let safe = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if safe { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
        };
        let items = acl.iter().map(|(grantee, letters, grantor)| {
            let item = format!("{}={letters}/{}", role(grantee), role(grantor));
            let plain = !item.is_empty() && !item.chars().any(|c| "\"\\{},".contains(c) || c.is_whitespace());
            if plain { item } else { format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\"")) }
        });
        format!("{{{}}}", items.collect::<Vec<_>>().join(","))
    }

    #[test]
    fn grantors_are_merged_and_options_kept() {
        let acl = Acl::parse(r#"{o=arwdDxt/o,"\"my-app\"=r*w/o","\"my-app\"=ra/x",=X/o}"#).unwrap();
        assert_eq!(acl.letters("my-app"), "rwa");
        assert_eq!(acl.options("my-app"), "r");
        assert_eq!(acl.letters(""), "X");
        assert_eq!(acl.letters("nobody"), "");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "{", "{a}", "{a=r}", "{\"a=r/o}", "{a=*r/o}", "{\"\\\"a=r/o\"}"] {
            assert_eq!(Acl::parse(text), None, "{text}");
        }
        assert_eq!(Acl::parse("{}"), Some(Acl::default()));
    }

    proptest! {
        #[test]
        fn any_names_are_read_back(names in proptest::collection::btree_set("[^\0]{1,20}", 1..6), grantor in "[^\0]{1,20}") {
            let items: Vec<_> = names.iter().map(|name| (name.clone(), "r*w".to_owned(), grantor.clone())).collect();
            let held = Held { letters: "rw".into(), options: "r".into() };
            let wanted: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), held.clone())).collect();
            prop_assert_eq!(Acl::parse(&write(&items)), Some(Acl(wanted)));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = Acl::parse(&text);
            let _ = Acl::parse(&format!("{{{text}}}"));
        }
    }
}
