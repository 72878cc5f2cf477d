//! Attribute values: what a plan file wants and what a look at the live system found, in one type.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use super::{Address, Attributes, SecretSource};

/// A value that only exists after another resource was applied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ref {
    /// The resource that will give the value.
    pub address: Address,
    /// The name of its output.
    pub output: String,
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.address, self.output)
    }
}

/// A set of one-letter flags, sorted, each once, as in a PostgreSQL ACL item (`arw`). Settled letter by letter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Letters(Box<str>);

impl Letters {
    /// Sorts the letters and drops repetitions.
    pub fn new(letters: impl IntoIterator<Item = char>) -> Self {
        let set: std::collections::BTreeSet<char> = letters.into_iter().collect();
        Self(set.into_iter().collect::<String>().into())
    }

    /// The letters in order.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether no letter is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `letter` is set.
    pub fn contains(&self, letter: char) -> bool {
        self.0.contains(letter)
    }
}

/// What is known of a secret: where it comes from and its keyed digest; never the secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretValue {
    /// Where the text can be fetched again; `None` for a live value that nobody can give back.
    pub source: Option<SecretSource>,
    /// Keyed digest, once the text was seen; see [`super::Digester`].
    pub digest: Option<String>,
}

/// One attribute value. See [`agrees`] for equality between a wanted and a live value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Not there.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// A set of flags.
    Letters(Letters),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name; settled name by name.
    Map(Attributes),
    /// A secret, by digest.
    Secret(SecretValue),
    /// Known after apply.
    Open(Ref),
}

impl Value {
    /// Text, from anything that becomes a string.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The text, when it is text.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The truth value, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, when it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(value) = self { Some(*value) } else { None }
    }

    /// The map, when it is one.
    pub fn as_map(&self) -> Option<&Attributes> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The list, when it is one.
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// Every open reference in it, depth first.
    pub fn open_refs(&self) -> Vec<&Ref> {
        match self {
            Self::Open(reference) => vec![reference],
            Self::List(list) => list.iter().flat_map(Self::open_refs).collect(),
            Self::Map(map) => map.values().flat_map(Self::open_refs).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether an open reference is in it.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Open(_) => true,
            Self::List(list) => list.iter().any(Self::is_open),
            Self::Map(map) => map.values().any(Self::is_open),
            _ => false,
        }
    }

    /// The same value with every open reference replaced by what `lookup` gives for it, if it gives anything.
    #[must_use]
    pub fn filled(&self, lookup: &dyn Fn(&Ref) -> Option<Value>) -> Self {
        match self {
            Self::Open(reference) => lookup(reference).unwrap_or_else(|| self.clone()),
            // Nothing to fill: a clone shares its maps.
            closed if !closed.is_open() => closed.clone(),
            Self::List(list) => Self::List(list.iter().map(|value| value.filled(lookup)).collect()),
            Self::Map(map) => Self::Map(map.iter().map(|(name, value)| (name.clone(), value.filled(lookup))).collect()),
            other => other.clone(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

/// Whether a wanted and a live value are the same. An open value equals nothing, not even itself, so what leans on it
/// counts as changing. Secrets agree when both digests are known and equal. A missing map entry agrees with `Null`.
pub fn agrees(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Open(_), _) | (_, Value::Open(_)) => false,
        (Value::Secret(a), Value::Secret(b)) => a.digest.is_some() && a.digest == b.digest,
        (Value::Map(a), Value::Map(b)) => agrees_all(a, b),
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| agrees(a, b)),
        (Value::Letters(letters), Value::Null) | (Value::Null, Value::Letters(letters)) => letters.is_empty(),
        (a, b) => a == b,
    }
}

/// [`agrees`] for whole attribute maps: every name of either side is compared.
pub fn agrees_all(a: &Attributes, b: &Attributes) -> bool {
    let missing = |map: &Attributes, name: &String| agrees(map.get(name).unwrap_or(&Value::Null), &Value::Null);
    a.iter().all(|(name, value)| b.get(name).map_or_else(|| missing(a, name), |other| agrees(value, other)))
        && b.keys().filter(|name| !a.contains_key(*name)).all(|name| missing(b, name))
}

const MARKS: [&str; 3] = ["$letters", "$secret", "$after_apply"];

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => json!(value),
            Value::Int(value) => json!(value),
            Value::Text(text) => json!(text),
            Value::Letters(letters) => json!({ MARKS[0]: letters.as_str() }),
            Value::List(list) => Self::Array(list.iter().map(Self::from).collect()),
            Value::Map(map) => {
                Self::Object(map.iter().map(|(name, value)| (escape(name).into_owned(), Self::from(value))).collect())
            }
            Value::Secret(secret) => json!({ MARKS[1]: secret }),
            Value::Open(reference) => json!({ MARKS[2]: { "address": reference.address, "output": reference.output } }),
        }
    }
}

/// A map key that begins with `$` gets a second one, so that it cannot be taken for a mark.
fn escape(name: &str) -> Cow<'_, str> {
    if name.starts_with('$') { format!("${name}").into() } else { name.into() }
}

impl TryFrom<serde_json::Value> for Value {
    type Error = String;

    fn try_from(json: serde_json::Value) -> Result<Self, String> {
        use serde_json::Value as Json;
        Ok(match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => {
                Self::Int(number.as_i64().ok_or_else(|| format!("{number} is not a whole number"))?)
            }
            Json::String(text) => Self::Text(text),
            Json::Array(list) => Self::List(list.into_iter().map(Self::try_from).collect::<Result<_, _>>()?),
            Json::Object(map) => return from_object(map),
        })
    }
}

fn from_object(map: serde_json::Map<String, serde_json::Value>) -> Result<Value, String> {
    if map.len() == 1
        && let Some((mark, body)) = map.iter().next()
        && MARKS.contains(&mark.as_str())
    {
        return from_marked(mark, body);
    }
    let entry = |(name, value): (String, serde_json::Value)| {
        let name = name.strip_prefix('$').map_or(name.clone(), str::to_owned);
        Ok((name, Value::try_from(value)?))
    };
    Ok(Value::Map(map.into_iter().map(entry).collect::<Result<_, String>>()?))
}

fn from_marked(mark: &str, body: &serde_json::Value) -> Result<Value, String> {
    match mark {
        "$letters" => Ok(Value::Letters(Letters::new(body.as_str().ok_or("letters are text")?.chars()))),
        "$secret" => serde_json::from_value(body.clone()).map(Value::Secret).map_err(|error| error.to_string()),
        _ => {
            let part = |name: &str| body[name].as_str().ok_or_else(|| format!("a reference lacks {name}"));
            Ok(Value::Open(Ref { address: part("address")?.parse()?, output: part("output")?.to_owned() }))
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // Written as they are walked: the privileges of a large database are never a tree of JSON in memory.
            Self::Letters(letters) => serializer.collect_map([(MARKS[0], letters.as_str())]),
            Self::List(list) => serializer.collect_seq(list),
            Self::Map(map) => serializer.collect_map(map.iter().map(|(name, value)| (escape(name), value))),
            other => serde_json::Value::from(other).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde_json::Value::deserialize(deserializer)?.try_into().map_err(serde::de::Error::custom)
    }
}
