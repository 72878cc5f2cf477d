//! A checklist as a page: one line per condition, whether it holds, and what was seen.

use serde_json::json;

use super::page::{Block, Page};
use super::text::{Line, Tone};

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What has to hold.
    pub label: String,
    /// Whether it does.
    pub holds: bool,
    /// What was seen.
    pub detail: String,
}

/// The page of a checklist.
pub fn checklist(title: &str, checks: &[Check]) -> Page {
    let row = |check: &Check| {
        let (tone, word) = if check.holds { (Tone::Good, "YES") } else { (Tone::Bad, "NO") };
        vec![Line::of(tone, word), Line::plain(&check.label), Line::plain(&check.detail)]
    };
    let held = checks.iter().filter(|check| check.holds).count();
    let (tone, word) = if held == checks.len() { (Tone::Good, "passed") } else { (Tone::Bad, "failed") };
    let verdict = Line::of(tone, format!("{title} {word}")).and(format!(": {held} of {} hold.", checks.len()));
    let data = json!({
        "format_version": "1.0",
        "passed": held == checks.len(),
        "checks": checks.iter().map(|check| json!({
            "label": check.label, "holds": check.holds, "detail": check.detail,
        })).collect::<Vec<_>>(),
    });
    let blocks = vec![
        Block::Table { head: vec!["", "CHECK", "DETAIL"], rows: checks.iter().map(row).collect() },
        Block::Verdict(verdict),
    ];
    Page { blocks, data: data.into() }
}

/// The page of several ways, of which not all are needed: what works, and whether that is enough.
pub fn ways(title: &str, works: bool, checks: &[Check]) -> Page {
    let mut page = checklist(title, checks);
    let (tone, word) = if works { (Tone::Good, "works") } else { (Tone::Bad, "does not work yet") };
    page.blocks.pop();
    page.blocks.push(Block::Verdict(Line::of(tone, format!("{title} {word}.")).and(" Not every way has to.")));
    let checks = page.data["checks"].clone();
    page.data = json!({ "format_version": "1.0", "works": works, "checks": checks }).into();
    page
}

#[cfg(test)]
mod tests {
    use super::{Check, checklist};
    use crate::report::{json, terminal};

    #[test]
    fn conditions_stand_in_columns() {
        let check = |label: &str, holds, detail: &str| Check { label: label.into(), holds, detail: detail.into() };
        let page =
            checklist("Verification", &[check("Entra is on", true, "since 2026"), check("probe", false, "HTTP 500\n")]);
        insta::assert_snapshot!(terminal(&page).plain(), @r#"
             CHECK        DETAIL
        YES  Entra is on  since 2026
        NO   probe        HTTP 500\n

        Verification failed: 1 of 2 hold.
        "#);
        assert!(json(&page).contains("\"passed\": false"));
    }
}
