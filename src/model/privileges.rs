//! The letters of PostgreSQL's ACL items in words.

use super::Letters;

/// The letters of PostgreSQL's ACL items and their words, in the order of PostgreSQL's manual.
const WORDS: [(char, &str); 13] = [
    ('r', "SELECT"),
    ('a', "INSERT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('m', "MAINTAIN"),
    ('C', "CREATE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
];

/// The words for letters, in the order of PostgreSQL's manual: `SELECT, INSERT`. Unknown letters stay letters.
pub fn privilege_words(letters: &Letters) -> String {
    let known = WORDS.iter().filter(|(letter, _)| letters.contains(*letter)).map(|(_, word)| (*word).to_owned());
    let unknown = letters.as_str().chars().filter(|c| WORDS.iter().all(|(letter, _)| letter != c)).map(String::from);
    known.chain(unknown).collect::<Vec<_>>().join(", ")
}
