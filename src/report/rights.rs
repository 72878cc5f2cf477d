//! What plan and apply have to be allowed to do, and what of it is missing, as a page.

use serde_json::json;

use super::page::{Block, Page};
use super::text::{Line, Tone};

/// One right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightLine {
    /// The action, or what PostgreSQL has to allow.
    pub right: String,
    /// Where.
    pub scope: String,
    /// Whether a plan needs it already.
    pub plan: bool,
    /// The kinds that need it.
    pub kinds: Vec<String>,
    /// Whether it is there; `None` where nobody could say.
    pub held: Option<bool>,
    /// Who has it, or what would help.
    pub detail: String,
}

/// The page of rights.
pub fn rights(lines: &[RightLine]) -> Page {
    let row = |line: &RightLine| {
        let (tone, word) = match line.held {
            Some(true) => (Tone::Good, "YES"),
            Some(false) => (Tone::Bad, "NO"),
            None => (Tone::Change, "?"),
        };
        let phase = if line.plan { "plan" } else { "apply" };
        let needed = format!("{phase}: {}", line.kinds.join(", "));
        vec![
            Line::of(tone, word),
            Line::plain(&line.right),
            Line::plain(&line.scope),
            Line::of(Tone::Faint, needed),
            Line::plain(&line.detail),
        ]
    };
    let missing = lines.iter().filter(|line| line.held == Some(false)).count();
    let unknown = lines.iter().filter(|line| line.held.is_none()).count();
    let verdict = match (missing, unknown) {
        (0, 0) => Line::of(Tone::Good, "Nothing is missing").and(format!(": all {} rights are there.", lines.len())),
        (0, unknown) => {
            Line::of(Tone::Change, format!("{unknown} of {} rights", lines.len())).and(" could not be asked for.")
        }
        (missing, _) => Line::of(Tone::Bad, format!("{missing} of {} rights are missing.", lines.len())),
    };
    let data = json!({
        "format_version": "1.0",
        "missing": missing,
        "rights": lines.iter().map(|line| json!({
            "right": line.right, "scope": line.scope, "phase": if line.plan { "plan" } else { "apply" },
            "kinds": line.kinds, "held": line.held, "detail": line.detail,
        })).collect::<Vec<_>>(),
    });
    let head = vec!["", "RIGHT", "SCOPE", "NEEDED BY", "DETAIL"];
    let blocks = vec![Block::Table { head, rows: lines.iter().map(row).collect() }, Block::Verdict(verdict)];
    Page { blocks, data: data.into() }
}

#[cfg(test)]
mod tests {
    use super::{RightLine, rights};
    use crate::report::{json, terminal};

    #[test]
    fn what_is_missing_is_told() {
        let line = |held, detail: &str| RightLine {
            right: "Microsoft.Web/sites/read".into(),
            scope: "/subscriptions/s".into(),
            plan: true,
            kinds: vec!["check".into()],
            held,
            detail: detail.into(),
        };
        let page = rights(&[line(Some(true), ""), line(Some(false), "grant it"), line(None, "HTTP 500")]);
        let text = terminal(&page).plain();
        assert!(text.ends_with("1 of 3 rights are missing.\n") && text.contains("plan: check"), "{text}");
        assert!(json(&page).contains("\"missing\": 1"));
    }
}
