//! An address `kind.name`: how a resource is called in plan files, reports, journals and on the command line.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::is_unsafe;

/// Identifies one resource of a plan file. Written `kind.name`, with the name in quotes when it holds anything but
/// letters, digits, `-` and `_`: `database_role."app/slots/staging"`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The kind, one of the register (`app_identity`, `database_role`, ...).
    pub kind: String,
    /// The label in the plan file; any text.
    pub name: String,
}

impl Address {
    /// Makes an address out of its two parts.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

fn is_bare(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(&self.name) {
            return write!(f, "{}.{}", self.kind, self.name);
        }
        write!(f, "{}.\"", self.kind)?;
        for c in self.name.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if is_unsafe(c) && c > '\u{ffff}' => write!(f, "\\U{:08X}", c as u32)?,
                c if is_unsafe(c) => write!(f, "\\u{:04X}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) =
            text.split_once('.').ok_or_else(|| format!("{text:?} is not an address: expected kind.name"))?;
        let name = match rest.strip_prefix('"') {
            Some(quoted) => {
                unquote(quoted).ok_or_else(|| format!("{text:?} is not an address: the quote is not closed"))?
            }
            None if is_bare(rest) => rest.to_owned(),
            None => return Err(format!("{text:?} is not an address: put the name in double quotes")),
        };
        if is_bare(kind) {
            Ok(Self::new(kind, name))
        } else {
            Err(format!("{text:?} is not an address: expected kind.name"))
        }
    }
}

fn unquote(quoted: &str) -> Option<String> {
    let mut name = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return chars.next().is_none().then_some(name),
            '\\' => match chars.next()? {
                code @ ('u' | 'U') => {
                    let digits: String = chars.by_ref().take(if code == 'u' { 4 } else { 8 }).collect();
                    name.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                escaped => name.push(escaped),
            },
            c => name.push(c),
        }
    }
    None
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;
    use proptest::prelude::*;

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(Address::new("role", "app/slots/staging").to_string(), r#"role."app/slots/staging""#);
        assert_eq!(Address::new("role", "plain-name_1").to_string(), "role.plain-name_1");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "role", "role.", "role.a b", "role.\"open", "role.\"a\"b", "a b.c"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_written_out_and_read_back() {
        let address = Address::new("role", "a\u{202e}\u{1b}\u{e0041}");
        assert_eq!(address.to_string(), r#"role."a\u202E\u001B\U000E0041""#);
        assert_eq!(address.to_string().parse(), Ok(address));
    }

    proptest! {
        #[test]
        fn every_name_survives_the_round_trip(name in ".*") {
            let address = Address::new("role", name);
            prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
        }
    }
}
