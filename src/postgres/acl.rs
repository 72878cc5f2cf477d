//! Reads access control lists as the catalog writes them: `{owner=arwdDxt/owner,"\"na me\"=r*w/owner",=X/owner}`.

use super::letters::LetterSet;

/// What one grantor gave to one grantee. PUBLIC is the empty name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Who has it.
    pub grantee: String,
    /// Who gave it.
    pub grantor: String,
    /// The letters.
    pub letters: LetterSet,
    /// The letters that the grantee may grant to others.
    pub options: LetterSet,
}

/// An access control list, in the catalog's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acl(pub Vec<Grant>);

impl Acl {
    /// Reads the text of an `aclitem[]`. `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        elements(text)?.iter().map(|item| parse_item(item)).collect::<Option<_>>().map(Self)
    }

    /// The letters that a grantee has itself, whoever gave them; those of PUBLIC and of its memberships do not count.
    pub fn letters(&self, grantee: &str) -> LetterSet {
        self.of(grantee).fold(LetterSet::default(), |set, grant| set.or(grant.letters))
    }

    /// The letters that a grantee may grant to others, whoever lets it.
    pub fn options(&self, grantee: &str) -> LetterSet {
        self.of(grantee).fold(LetterSet::default(), |set, grant| set.or(grant.options))
    }

    /// What a grantor gave to a grantee: letters and grant options.
    pub fn given(&self, grantee: &str, grantor: &str) -> (LetterSet, LetterSet) {
        let found = self.of(grantee).find(|grant| grant.grantor == grantor);
        found.map(|grant| (grant.letters, grant.options)).unwrap_or_default()
    }

    fn of<'a>(&'a self, grantee: &'a str) -> impl Iterator<Item = &'a Grant> {
        self.0.iter().filter(move |grant| grant.grantee == grantee)
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
fn parse_item(item: &str) -> Option<Grant> {
    let (grantee, rest) = take_role(item)?;
    let (privileges, grantor) = rest.strip_prefix('=')?.split_once('/')?;
    let (grantor, after) = take_role(grantor)?;
    let (mut letters, mut options, mut last) = (LetterSet::default(), LetterSet::default(), None);
    for c in privileges.chars() {
        match c {
            '*' => options.insert(last?),
            c if c.is_ascii_alphabetic() => letters.insert(c),
            _ => return None,
        }
        last = Some(c).filter(|c| *c != '*');
    }
    after.is_empty().then_some(Grant { grantee, grantor, letters, options })
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
    use super::{Acl, Grant, LetterSet};
    use proptest::prelude::*;

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
    fn grantors_are_told_apart_and_options_kept() {
        let acl = Acl::parse(r#"{o=arwdDxt/o,"\"my-app\"=r*w/o","\"my-app\"=ra/x",=X/o}"#).unwrap();
        assert_eq!(acl.letters("my-app"), "rwa".chars().collect());
        assert_eq!(acl.options("my-app"), "r".chars().collect());
        assert_eq!(acl.given("my-app", "x"), ("ra".chars().collect(), LetterSet::default()));
        assert_eq!(acl.letters(""), "X".chars().collect());
        assert_eq!(acl.letters("nobody"), LetterSet::default());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "{", "{a}", "{a=r}", "{\"a=r/o}", "{a=*r/o}", "{\"\\\"a=r/o\"}", "{a=r**/o}"] {
            assert_eq!(Acl::parse(text), None, "{text}");
        }
        assert_eq!(Acl::parse("{}"), Some(Acl::default()));
    }

    proptest! {
        #[test]
        fn any_names_are_read_back(names in proptest::collection::btree_set("[^\0]{1,20}", 1..6), grantor in "[^\0]{1,20}") {
            let items: Vec<_> = names.iter().map(|name| (name.clone(), "r*w".to_owned(), grantor.clone())).collect();
            let grant = |grantee: &String| Grant {
                grantee: grantee.clone(),
                grantor: grantor.clone(),
                letters: "rw".chars().collect(),
                options: "r".chars().collect(),
            };
            prop_assert_eq!(Acl::parse(&write(&items)), Some(Acl(names.iter().map(grant).collect())));
        }

        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = Acl::parse(&text);
            let _ = Acl::parse(&format!("{{{text}}}"));
        }
    }
}
