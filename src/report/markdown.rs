//! Page -> Markdown for a comment on a pull request: verdict first, diffs that GitHub colours, under a byte budget.

use std::fmt::Write as _;

use super::clean::guard_lines;
use super::escape::html_text;
use super::page::{Block, Page, Row, Symbol};
use super::text::Line;

/// What GitHub takes as one comment, in bytes; Azure DevOps takes more.
pub const COMMENT_BYTES: usize = 65_536;

/// How a page becomes a comment.
#[derive(Clone, Copy, Debug)]
pub struct MarkdownView<'a> {
    /// What it is about, for the hidden marker by which a later run finds and updates the same comment: `plan geoapi`.
    pub subject: &'a str,
    /// How many bytes it may have.
    pub budget: usize,
}

/// One piece that stays whole or is left out whole.
struct Piece {
    text: String,
    /// What is said of it when it is left out.
    name: Option<String>,
}

/// The page as Markdown. What does not fit is left out by whole resources, and named at the end.
pub fn markdown(page: &Page, view: MarkdownView<'_>) -> String {
    let mut head = format!("<!-- pgentra: {} -->\n", comment(view.subject));
    let mut pieces = Vec::new();
    for block in &page.blocks {
        match block {
            Block::Verdict(line) => _ = writeln!(head, "### {}\n", inline(line)),
            Block::Consequences(lines) => {
                for line in lines {
                    _ = writeln!(head, "{}{}\n", if warns(line) { "> ⚠️ " } else { "" }, inline(line));
                }
            }
            Block::Graph(_) | Block::Legend(_) => {}
            Block::Heading(line) => pieces.push(Piece { text: format!("{}\n\n", inline(line)), name: None }),
            Block::Lines(lines) => pieces.push(Piece { text: fenced("", &plain(lines)), name: None }),
            Block::Table { head, rows } => pieces.push(Piece { text: table(head, rows), name: None }),
            Block::Resource { comments, symbol, opening, rows } => {
                pieces.push(resource(comments, *symbol, opening, rows));
            }
        }
    }
    guard_lines(&fitted(head, &pieces, view.budget))
}

/// Whether a consequence is one that a reviewer must not overlook.
fn warns(line: &Line) -> bool {
    ["restart", "irreversible", "not readable"].iter().any(|word| line.text().contains(word))
}

fn fitted(head: String, pieces: &[Piece], budget: usize) -> String {
    let whole: usize = pieces.iter().map(|piece| piece.text.len()).sum();
    if head.len() + whole <= budget {
        return pieces.iter().fold(head, |text, piece| text + &piece.text);
    }
    // Room for the words on what was left out, names included as far as they fit.
    let room = budget.saturating_sub((budget / 8).clamp(256, 4_096));
    let (mut text, mut left) = (head, Vec::new());
    for piece in pieces {
        if left.is_empty() && text.len() + piece.text.len() <= room {
            text.push_str(&piece.text);
        } else {
            left.push(piece.name.as_deref());
        }
    }
    let names: Vec<&str> = left.iter().copied().flatten().collect();
    let what = match named(pieces) {
        0 => "a part".to_owned(),
        all => format!("{} of {all} resources", names.len()),
    };
    let note = format!("**Left out to stay within {budget} bytes: {what}.** All of it is in the log of this run.\n\n");
    let mut list = String::new();
    for (at, name) in names.iter().enumerate() {
        let line = format!("- {}\n", code(name));
        let rest = format!("- and {} more\n", names.len() - at);
        if text.len() + note.len() + list.len() + line.len() + rest.len() > budget {
            list.push_str(&rest);
            break;
        }
        list.push_str(&line);
    }
    for part in [note, list] {
        if text.len() + part.len() <= budget {
            text.push_str(&part);
        }
    }
    text
}

fn named(pieces: &[Piece]) -> usize {
    pieces.iter().filter(|piece| piece.name.is_some()).count()
}

fn resource(comments: &[Line], symbol: Symbol, opening: &Line, rows: &[Row]) -> Piece {
    let mut notes = comments.iter();
    let head = notes.next().map(Line::text).unwrap_or_default();
    let mark = symbol.mark().trim();
    let mut body: Vec<String> = notes.map(|note| format!("# {}", note.text())).collect();
    if !rows.is_empty() {
        body.push(format!("{} {} {{", sign(symbol), opening.text()));
        body.extend(
            rows.iter().map(|row| format!("{} {}{}", sign(row.symbol), "    ".repeat(row.depth + 1), row.line.text())),
        );
        body.push("  }".to_owned());
    }
    let name = html_text(&head);
    if body.is_empty() {
        return Piece { text: format!("- {}\n\n", code(format!("{mark} {head}").trim())), name: Some(head) };
    }
    let summary = format!("<details><summary><code>{}{name}</code></summary>\n\n", prefix(mark));
    Piece { text: format!("{summary}{}</details>\n\n", fenced("diff", &body.join("\n"))), name: Some(head) }
}

fn prefix(mark: &str) -> String {
    if mark.is_empty() { String::new() } else { format!("{} ", html_text(mark)) }
}

/// The sign by which GitHub colours a line of a diff; `!` is orange.
fn sign(symbol: Symbol) -> char {
    match symbol {
        Symbol::Create => '+',
        Symbol::Delete => '-',
        Symbol::Update => '!',
        Symbol::Read | Symbol::Same => ' ',
    }
}

fn plain(lines: &[Line]) -> String {
    lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
}

/// A fenced block. The fence is longer than any run of backticks inside, so that nothing inside can end it.
fn fenced(language: &str, body: &str) -> String {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{body}\n{fence}\n\n")
}

fn table(head: &[&'static str], rows: &[Vec<Line>]) -> String {
    let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = cells(head.iter().map(|name| (*name).to_owned()).collect());
    text.push_str(&cells(head.iter().map(|_| "---".to_owned()).collect()));
    for row in rows {
        text.push_str(&cells(row.iter().map(cell).collect()));
    }
    text.push('\n');
    text
}

fn cell(line: &Line) -> String {
    let text = line.text();
    if text.is_empty() { String::new() } else { code(&text) }
}

/// Running text: plain words as they are, anything else as code, where GitHub finds no mentions and references.
fn inline(line: &Line) -> String {
    let text = line.text();
    // `:fire:` would be drawn, `1. ` would begin a list.
    let drawn = text.split(':').skip(1).any(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '+'));
    let begins = text.starts_with(|c: char| !c.is_alphabetic()) && !text.starts_with(|c: char| c.is_ascii_digit());
    let numbered = text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['.', ')']);
    let plain = text.chars().all(is_plain) && !drawn && !begins && !numbered;
    if plain && !text.contains("://") && !text.contains("www.") { text } else { code(&text) }
}

fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || " .,;:()'\"/=+%?!".contains(c)
}

/// Text as code, with everything that Markdown would read (also inside inline HTML) written as an entity.
pub(super) fn code(text: &str) -> String {
    let mut out = String::from("<code>");
    for c in text.chars() {
        if is_plain(c) || c == '-' {
            out.push(c);
        } else {
            _ = write!(out, "&#{};", c as u32);
        }
    }
    // A link is found by its scheme, a host by its `www.`.
    out.replace("://", "&#58;//").replace("www.", "www&#46;") + "</code>"
}

/// Inside `<!-- -->`, where two hyphens or an angle bracket could end it.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() || " _.".contains(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::{MarkdownView, markdown};
    use crate::report::page::{Block, Page, Row, Symbol};
    use crate::report::text::Line;

    fn resource(name: &str, value: &str) -> Block {
        Block::Resource {
            comments: vec![Line::plain(format!("{name} will be updated in-place")), Line::plain("undo: faithful")],
            symbol: Symbol::Update,
            opening: Line::plain(format!("resource \"app_settings\" \"{name}\"")),
            rows: vec![
                Row { symbol: Symbol::Create, depth: 0, line: Line::plain(format!("A = \"{value}\"")) },
                Row { symbol: Symbol::Same, depth: 0, line: Line::plain("# (1 unchanged attribute hidden)") },
            ],
        }
    }

    fn page(resources: Vec<Block>) -> Page {
        let verdict = [
            Block::Verdict(Line::plain("Plan: 1 to add, 0 to change, 0 to destroy.")),
            Block::Consequences(vec![Line::plain("1 restart.")]),
        ];
        Page { blocks: resources.into_iter().chain(verdict).collect(), ..Page::default() }
    }

    fn told(page: &Page, budget: usize) -> String {
        markdown(page, MarkdownView { subject: "plan geoapi", budget })
    }

    #[test]
    fn the_verdict_comes_first() {
        insta::assert_snapshot!(told(&page(vec![resource("app_settings.geo", "x")]), 65_536), @r#"
        <!-- pgentra: plan geoapi -->
        ### Plan: 1 to add, 0 to change, 0 to destroy.

        > ⚠️ 1 restart.

        <details><summary><code>~ app_settings.geo will be updated in-place</code></summary>

        ```diff
        # undo: faithful
        ! resource "app_settings" "app_settings.geo" {
        +     A = "x"
              # (1 unchanged attribute hidden)
          }
        ```

        </details>

        "#);
    }

    #[test]
    fn hostile_names_stay_inside() {
        let evil = "`````\n```\n</details><script>@everyone #1 |--> www.x.y http://x";
        let text = told(&page(vec![resource(evil, evil)]), 65_536);
        assert!(text.contains("``````diff\n") && !text.contains("<script>@everyone</code>"), "{text}");
        let outside: String = text.split("``````").step_by(2).collect();
        assert!(!outside.contains("<script>") && outside.matches("</details>").count() == 1, "{outside}");
        let heading = told(&Page { blocks: vec![Block::Heading(Line::plain(evil))], ..Page::default() }, 65_536);
        let heading = heading.split_once('\n').unwrap().1;
        assert!(heading.starts_with("<code>") && heading.trim_end().ends_with("</code>"), "{heading}");
        for mark in ["<script>", "@", "`", " #1", "|", "://", "www."] {
            assert!(!heading.contains(mark), "{mark}: {heading}");
        }
        let marker = markdown(&Page::default(), MarkdownView { subject: "--><b>", budget: 100 });
        assert_eq!(marker, "<!-- pgentra: ____b_ -->\n");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let many: Vec<Block> = (0..3_000).map(|n| resource(&format!("app_settings.app{n}"), &"x".repeat(50))).collect();
        for budget in [1_000, 10_000, 65_536] {
            let text = told(&page(many.clone()), budget);
            assert!(text.len() <= budget, "{} > {budget}", text.len());
            assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
            assert_eq!(text.matches("```").count() % 2, 0);
            assert!(text.contains("Left out to stay within") && text.contains(" more\n"), "{text}");
            assert!(text.contains("### Plan: 1 to add"));
        }
    }
}
