//! Remedies that name the closest of the valid words, and list them.

use crate::model::closest;

/// A remedy: the closest candidate where there is one, then the valid ones.
pub(super) fn remedy<'a>(word: &str, what: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let list = list(&candidates);
    match closest(word, candidates.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`? {what}: {list}"),
        None => format!("{what}: {list}"),
    }
}

/// The words in backquotes, at most thirty of them.
pub(super) fn list(words: &[&str]) -> String {
    const MOST: usize = 30;
    if words.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<String> = words.iter().take(MOST).map(|word| format!("`{word}`")).collect();
    let rest = words.len().saturating_sub(MOST);
    if rest == 0 { shown.join(", ") } else { format!("{} and {rest} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::remedy;
    use crate::model::closest;

    #[test]
    fn slips_are_mended_and_strangers_are_not() {
        assert_eq!(closest("SELCT", ["INSERT", "SELECT", "DELETE"]), Some("SELECT"));
        assert_eq!(closest("select", ["SELECT"]), Some("SELECT"));
        assert_eq!(closest("logn", ["login", "inherit"]), Some("login"));
        assert_eq!(closest("xyzzy", ["login", "inherit"]), None);
        assert_eq!(closest("", ["login"]), None);
        assert_eq!(remedy("q", "valid", []), "valid: none");
    }
}
