//! "Did you mean": the closest of the valid words.

/// The candidate that is most like `word`, if any is alike enough to be a slip of the pen. Case does not count. Of very
/// many candidates only those are compared letter by letter that have most letters in common with it.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f32 = 0.6;
    const COMPARED: usize = 32;
    let (wanted, letters) = (fold(word), Letters::of(word));
    let mut near: Vec<(f32, usize, &str)> = candidates
        .into_iter()
        .enumerate()
        .map(|(at, candidate)| (letters.ratio_at_most(&Letters::of(candidate)), at, candidate))
        .filter(|(most, ..)| *most >= ALIKE)
        .collect();
    near.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
    let mut best: Option<(f32, usize, &str)> = None;
    for (most, at, candidate) in near.into_iter().take(COMPARED) {
        if best.is_some_and(|(ratio, ..)| most < ratio) {
            break;
        }
        let ratio = similar::TextDiff::from_chars(wanted.as_str(), fold(candidate).as_str()).ratio();
        let better = best.is_none_or(|(best, first, _)| ratio > best || (ratio >= best && at < first));
        if ratio >= ALIKE && better {
            best = Some((ratio, at, candidate));
        }
    }
    best.map(|(.., candidate)| candidate)
}

/// The letters that count, at most a hundred of a word.
fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars().take(100).flat_map(char::to_lowercase)
}

fn fold(text: &str) -> String {
    letters(text).collect()
}

/// How often each letter is there; letters that fall on one place count as the same.
struct Letters {
    counts: [u8; 64],
    all: u16,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut counts = Self { counts: [0; 64], all: 0 };
        for letter in letters(text) {
            let count = &mut counts.counts[letter as usize % 64];
            *count = count.saturating_add(1);
            counts.all += 1;
        }
        counts
    }

    /// What the ratio of two texts with these letters cannot be above.
    fn ratio_at_most(&self, other: &Self) -> f32 {
        let common: u16 = self.counts.iter().zip(&other.counts).map(|(one, two)| u16::from(*one.min(two))).sum();
        if self.all + other.all == 0 { 1.0 } else { 2.0 * f32::from(common) / f32::from(self.all + other.all) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Letters, closest, fold};

    #[test]
    fn the_bound_is_one() {
        for (one, two) in [("selct", "SELECT"), ("app-0012", "app-0021"), ("", ""), ("ÄÖ", "äö"), ("a", "b")] {
            let ratio = similar::TextDiff::from_chars(fold(one).as_str(), fold(two).as_str()).ratio();
            assert!(Letters::of(one).ratio_at_most(&Letters::of(two)) >= ratio, "{one} {two}");
        }
    }

    #[test]
    fn among_very_many_the_closest_is_found() {
        let many: Vec<String> = (0..20_000).map(|n| format!("app-{n:05}")).collect();
        let candidates = || many.iter().map(String::as_str);
        assert_eq!(closest("APP-01234", candidates()), Some("app-01234"));
        assert_eq!(closest("role", candidates()), None);
        assert_eq!(closest("ab", ["xab", "abx"]), Some("xab"), "the first of several that are as close");
    }
}
