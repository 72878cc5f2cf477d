//! The evidence for one validation as a page: its observations as a timeline, and what the gate says.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::page::{Block, Page};
use super::tally::moment;
use super::text::{Line, Tone};
use crate::model::in_words;

/// How wide the bar of the covered time is, in characters.
const WIDTH: usize = 28;

/// What came of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It passed, and is in the window.
    Counts,
    /// It passed, and the window started again since.
    Past,
    /// It saw nothing, or nobody vouches for it.
    Unseeing,
    /// It failed.
    Failed,
    /// A person opened the gate.
    Override,
}

impl Mark {
    fn shown(self) -> (Tone, &'static str, &'static str) {
        match self {
            Self::Counts => (Tone::Good, "passed", "|"),
            Self::Past => (Tone::Faint, "passed", ":"),
            Self::Unseeing => (Tone::Change, "no evidence", "?"),
            Self::Failed => (Tone::Bad, "failed", "X"),
            Self::Override => (Tone::Bad, "override", "!"),
        }
    }
}

/// One line of the timeline.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The record's number, from 0.
    pub seq: u64,
    /// Its time, or why it has none.
    pub at: Result<Timestamp, String>,
    /// What came of it.
    pub mark: Mark,
    /// How long the window is with it, when it is in it.
    pub length: Option<SignedDuration>,
    /// What was seen.
    pub detail: String,
}

/// The evidence for one validation.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The validation's name.
    pub validation: String,
    /// How long the window has to be.
    pub period: SignedDuration,
    /// How long it is.
    pub length: SignedDuration,
    /// Whether the gate opens.
    pub open: bool,
    /// What is missing.
    pub missing: Vec<String>,
    /// The earliest time at which it can open.
    pub earliest: Option<Timestamp>,
    /// The timeline, oldest first.
    pub moments: Vec<Moment>,
    /// Who opened the gate without the evidence, when, and why.
    pub overrides: Vec<String>,
    /// What each sensor saw the last time: its name, whether it passed (nothing when it was blind), and what it saw.
    pub sensors: Vec<(String, Option<bool>, String)>,
}

/// The page of the evidence for all validations, with what is wrong with the ledger and who vouched for what.
pub fn evidence(all: &[Evidence], faults: &[String], attested: &[String]) -> Page {
    let mut blocks = Vec::new();
    let lines = |head: (Tone, &str), texts: &[String]| {
        let head = Line::of(head.0, head.1);
        let lines = texts.iter().map(|text| Line::plain("  ").and(text));
        Block::Lines([head].into_iter().chain(lines).collect())
    };
    if !faults.is_empty() {
        blocks.push(lines((Tone::Bad, "The ledger was damaged:"), faults));
    }
    for one in all {
        blocks.extend(timeline(one));
    }
    if !attested.is_empty() {
        blocks.push(lines((Tone::Strong, "Attested:"), attested));
    }
    let data = json!({
        "format_version": "1.0",
        "faults": faults,
        "validations": all.iter().map(data).collect::<Vec<_>>(),
        "attested": attested,
    });
    Page { blocks, data: data.into() }
}

fn timeline(one: &Evidence) -> Vec<Block> {
    let head = Line::of(Tone::Strong, format!("Validation {}", one.validation));
    let row = |moment: &Moment| {
        let (tone, word, sign) = moment.mark.shown();
        let time = match &moment.at {
            Ok(at) => self::moment(*at),
            Err(_) => "(no time)".to_owned(),
        };
        let length = moment.length.map(in_words).unwrap_or_default();
        vec![
            Line::of(Tone::Faint, time),
            Line::of(tone, sign),
            Line::of(tone, word),
            Line::plain(length),
            Line::plain(&moment.detail),
        ]
    };
    let mut blocks = vec![Block::Heading(head)];
    if !one.moments.is_empty() {
        let head = vec!["TIME", "", "RESULT", "WINDOW", "DETAIL"];
        blocks.push(Block::Table { head, rows: one.moments.iter().map(row).collect() });
    }
    if !one.sensors.is_empty() {
        let row = |(name, passed, seen): &(String, Option<bool>, String)| {
            let (tone, word) = match passed {
                Some(true) => (Tone::Good, "passed"),
                Some(false) => (Tone::Bad, "failed"),
                None => (Tone::Change, "blind"),
            };
            vec![Line::plain(name), Line::of(tone, word), Line::plain(seen)]
        };
        blocks.push(Block::Table { head: vec!["SENSOR", "LAST", "SEEN"], rows: one.sensors.iter().map(row).collect() });
    }
    if !one.overrides.is_empty() {
        let lines = one.overrides.iter().map(|text| Line::of(Tone::Bad, "Opened without the evidence: ").and(text));
        blocks.push(Block::Lines(lines.collect()));
    }
    let mut lines = vec![bar(one)];
    lines.extend(one.missing.iter().map(|text| Line::plain("  missing: ").and(text)));
    if let Some(earliest) = one.earliest {
        lines.push(Line::plain(format!("  opens not before {}", moment(earliest))));
    }
    blocks.push(Block::Lines(lines));
    blocks
}

/// How much of the period is covered, drawn.
fn bar(one: &Evidence) -> Line {
    let period = one.period.as_secs().max(1);
    let done = usize::try_from(one.length.as_secs().clamp(0, period)).unwrap_or_default() * WIDTH;
    let full = done / usize::try_from(period).unwrap_or(1).max(1);
    let (tone, word) = if one.open { (Tone::Good, "open") } else { (Tone::Change, "held") };
    Line::plain("[")
        .with(tone, "#".repeat(full))
        .and(format!("{}] {} of {}: ", ".".repeat(WIDTH - full), in_words(one.length), in_words(one.period)))
        .with(tone, word)
}

fn data(one: &Evidence) -> serde_json::Value {
    let moments = one.moments.iter().map(|one| {
        json!({
            "seq": one.seq,
            "at": one.at.as_ref().ok().map(|at| moment(*at)),
            "result": one.mark.shown().1,
            "counts": one.mark == Mark::Counts,
            "detail": one.detail,
        })
    });
    json!({
        "validation": one.validation,
        "open": one.open,
        "period_seconds": one.period.as_secs(),
        "covered_seconds": one.length.as_secs(),
        "missing": one.missing,
        "earliest": one.earliest.map(moment),
        "overrides": one.overrides,
        "sensors": one.sensors.iter().map(|(name, passed, seen)| {
            json!({ "sensor": name, "passed": passed, "seen": seen })
        }).collect::<Vec<_>>(),
        "records": moments.collect::<Vec<_>>(),
    })
}

/// The same as Markdown, for an auditor. Nothing in it can become structure of the page.
pub fn evidence_markdown(plan: &str, all: &[Evidence], faults: &[String], attested: &[String]) -> String {
    let mut page = format!("# Evidence of {}\n\n", cell(plan));
    let list = |page: &mut String, title: &str, texts: &[String]| {
        if !texts.is_empty() {
            let _ = write!(page, "### {title}\n\n");
            for text in texts {
                let _ = writeln!(page, "- {}", cell(text));
            }
            page.push('\n');
        }
    };
    list(&mut page, "Damage of the ledger", faults);
    for one in all {
        let state = if one.open { "open" } else { "held" };
        let (length, period) = (in_words(one.length), in_words(one.period));
        let _ = write!(page, "## Validation {}: {state}, {length} of {period}\n\n", cell(&one.validation));
        list(&mut page, "Missing", &one.missing);
        list(&mut page, "Opened without the evidence", &one.overrides);
        page.push_str("| record | time | result | window | detail |\n|---|---|---|---|---|\n");
        for row in &one.moments {
            let time = row.at.as_ref().map_or_else(|why| cell(why), |at| moment(*at));
            let length = row.length.map(in_words).unwrap_or_default();
            let (_, word, _) = row.mark.shown();
            let _ = writeln!(page, "| {} | {time} | {word} | {length} | {} |", row.seq, cell(&row.detail));
        }
        page.push('\n');
    }
    list(&mut page, "Attested", attested);
    super::clean::guard_lines(&page)
}

/// Text from outside inside a line: whatever Markdown or a site that shows it would read is an entity, so that no list,
/// link, mention or formula begins in it. Plain words stay readable in the file too.
fn cell(text: &str) -> String {
    let text = super::clean::clean(text);
    let numbered = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let mut out = String::new();
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let plain = match c {
            // `1.` begins a list, `:fire:` is drawn.
            '.' | ')' => at != numbered,
            ':' => rest.peek().is_none_or(|(_, next)| !next.is_alphabetic() && *next != '+'),
            '+' | '-' | '=' => at > 0,
            c => c.is_alphanumeric() || " ,;('\"/%?".contains(c),
        };
        if plain {
            out.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "&#{};", u32::from(c));
        }
    }
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::{Evidence, Mark, Moment, evidence, evidence_markdown};
    use crate::report::{json, terminal};
    use jiff::{SignedDuration, Timestamp};

    fn sample() -> Vec<Evidence> {
        let day = |day: i64| Timestamp::from_second(1_793_491_200 + day * 86_400).unwrap();
        let length = |days: i64| SignedDuration::from_hours(24 * days);
        let one = |seq, mark, days: Option<i64>, detail: &str| Moment {
            seq,
            at: Ok(day(i64::try_from(seq).unwrap())),
            mark,
            length: days.map(length),
            detail: detail.into(),
        };
        vec![Evidence {
            validation: "app".into(),
            period: length(7),
            length: length(2),
            open: false,
            missing: vec!["2d of 7d are covered, by 3 observations".into()],
            earliest: Some(day(9)),
            moments: vec![
                one(0, Mark::Past, None, "6 sensors"),
                one(1, Mark::Failed, None, "probe health: HTTP 503 | <b>"),
                one(2, Mark::Counts, Some(0), "6 sensors"),
                one(3, Mark::Unseeing, None, "logs: PartialError"),
                one(4, Mark::Counts, Some(2), "6 sensors"),
            ],
            overrides: Vec::new(),
            sensors: vec![
                ("census".into(), Some(true), "nobody is connected".into()),
                ("logs".into(), None, "PartialError".into()),
            ],
        }]
    }

    #[test]
    fn the_window_is_a_timeline() {
        let page = evidence(&sample(), &[], &["Updated the documentation (by Ann)".into()]);
        insta::assert_snapshot!(terminal(&page).plain(), @r"
        Validation app

        TIME                     RESULT       WINDOW  DETAIL
        2026-11-01T00:00:00Z  :  passed               6 sensors
        2026-11-02T00:00:00Z  X  failed               probe health: HTTP 503 | <b>
        2026-11-03T00:00:00Z  |  passed       0s      6 sensors
        2026-11-04T00:00:00Z  ?  no evidence          logs: PartialError
        2026-11-05T00:00:00Z  |  passed       2d      6 sensors

        SENSOR  LAST    SEEN
        census  passed  nobody is connected
        logs    blind   PartialError

        [########....................] 2d of 7d: held
          missing: 2d of 7d are covered, by 3 observations
          opens not before 2026-11-10T00:00:00Z

        Attested:
          Updated the documentation (by Ann)
        ");
        assert!(json(&page).contains("\"covered_seconds\": 172800"));
    }

    #[test]
    fn nothing_becomes_structure_in_markdown() {
        let page = evidence_markdown("x\n# y", &sample(), &["a | b".into()], &[]);
        assert!(page.contains("probe health: HTTP 503 &#124; &#60;b&#62; |"), "{page}");
        assert!(page.contains("- a &#124; b\n") && !page.contains("\n# y"), "{page}");
    }
}
