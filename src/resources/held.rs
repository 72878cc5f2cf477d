//! Refuses to drop what holds something, and names what it holds.

use crate::model::{Class, Failure};

/// So many things are named.
const SHOWN: usize = 20;

/// The refusal to drop `what`, where it holds something.
///
/// # Errors
/// `Conflict`, when `contents` is not empty.
pub(super) fn refuse_full(what: &str, contents: &[String]) -> Result<(), Failure> {
    if contents.is_empty() {
        return Ok(());
    }
    let mut named: Vec<String> = contents.iter().take(SHOWN).map(|one| format!("it holds {one}")).collect();
    if contents.len() > SHOWN {
        named.push(format!("and {} more", contents.len() - SHOWN));
    }
    Err(Failure::new(Class::Conflict, "not dropped: it is not empty")
        .detail(format!("{what}\n{}", named.join("\n")))
        .remedy("move or drop what it holds, then run the same command again; or keep it, and drop it by hand later"))
}
