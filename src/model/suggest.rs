//! "Did you mean": the closest of the valid words.

/// The candidate that is most like `word`, if any is alike enough to be a slip of the pen. Case does not count.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.chars().take(100).flat_map(char::to_lowercase).collect::<String>();
    let wanted = fold(word);
    let mut best: Option<(f32, &str)> = None;
    for candidate in candidates {
        let ratio = similar::TextDiff::from_chars(wanted.as_str(), fold(candidate).as_str()).ratio();
        if ratio >= 0.6 && best.is_none_or(|(most, _)| ratio > most) {
            best = Some((ratio, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
