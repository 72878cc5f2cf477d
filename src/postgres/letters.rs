//! Sets of privilege letters, as small as a number, so that comparing many access control lists costs little.

use crate::model::Letters;

/// A set of ASCII letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterSet(u64);

fn bit(letter: char) -> u64 {
    match letter {
        'a'..='z' => 1 << (letter as u32 - 'a' as u32),
        'A'..='Z' => 1 << (26 + letter as u32 - 'A' as u32),
        _ => 0,
    }
}

impl LetterSet {
    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a letter is in it.
    pub fn has(self, letter: char) -> bool {
        self.0 & bit(letter) != 0
    }

    /// Adds a letter.
    pub fn insert(&mut self, letter: char) {
        self.0 |= bit(letter);
    }

    /// The letters of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The letters of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The letters that are not in the other.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The letters, one by one.
    pub fn chars(self) -> impl Iterator<Item = char> {
        ('A'..='Z').chain('a'..='z').filter(move |letter| self.has(*letter))
    }
}

impl FromIterator<char> for LetterSet {
    fn from_iter<I: IntoIterator<Item = char>>(letters: I) -> Self {
        let mut set = Self::default();
        letters.into_iter().for_each(|letter| set.insert(letter));
        set
    }
}

impl From<&Letters> for LetterSet {
    fn from(letters: &Letters) -> Self {
        letters.as_str().chars().collect()
    }
}

impl From<LetterSet> for Letters {
    fn from(set: LetterSet) -> Self {
        Self::new(set.chars())
    }
}

#[cfg(test)]
mod tests {
    use super::LetterSet;
    use crate::model::Letters;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_is_a_set(a in "[a-zA-Z]{0,9}", b in "[a-zA-Z]{0,9}") {
            let (x, y): (LetterSet, LetterSet) = (a.chars().collect(), b.chars().collect());
            prop_assert_eq!(Letters::from(x), Letters::new(a.chars()));
            prop_assert_eq!(LetterSet::from(&Letters::from(x)), x);
            prop_assert_eq!(Letters::from(x.less(y)), Letters::new(a.chars().filter(|c| !b.contains(*c))));
            prop_assert_eq!(Letters::from(x.and(y)), Letters::new(a.chars().filter(|c| b.contains(*c))));
            prop_assert_eq!(Letters::from(x.or(y)), Letters::new(a.chars().chain(b.chars())));
        }
    }
}
