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
            Block::Table { head, rows } => pieces.extend(table(head, rows)),
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
    // What has no name could not be missed in a list, so that the room it takes is set aside first.
    let unnamed: usize = pieces.iter().filter(|piece| piece.name.is_none()).map(|piece| piece.text.len()).sum();
    let mut spare = room.saturating_sub(head.len() + unnamed);
    let (mut text, mut names) = (head, Vec::new());
    for piece in pieces {
        let fits = match &piece.name {
            None => text.len() + piece.text.len() <= room,
            Some(_) => names.is_empty() && piece.text.len() <= spare,
        };
        match &piece.name {
            _ if !fits => names.extend(piece.name.as_deref()),
            Some(_) => spare -= piece.text.len(),
            None => {}
        }
        if fits {
            text.push_str(&piece.text);
        }
    }
    let what = if names.is_empty() { "a part".to_owned() } else { format!("{} of {}", names.len(), named(pieces)) };
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

/// A table by its rows, so that one that is too long loses only its last ones. A row is named by its first cells, as far as
/// they say something.
fn table(head: &[&'static str], rows: &[Vec<Line>]) -> Vec<Piece> {
    let cells = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = cells(head.iter().map(|name| (*name).to_owned()).collect());
    text.push_str(&cells(head.iter().map(|_| "---".to_owned()).collect()));
    let mut pieces = vec![Piece { text, name: None }];
    pieces.extend(rows.iter().map(|row| {
        let name: Vec<String> = row.iter().map(Line::text).filter(|cell| !cell.is_empty()).take(2).collect();
        Piece { text: cells(row.iter().map(cell).collect()), name: Some(name.join(" ")) }
    }));
    pieces.push(Piece { text: "\n".to_owned(), name: None });
    pieces
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
    fn what_has_no_name_is_not_left_out_before_what_has_one() {
        let many = (0..3_000).map(|n| resource(&format!("app_settings.app{n}"), &"x".repeat(50)));
        let lines = |text: &str| Block::Lines(vec![Line::plain(text)]);
        let blocks = [Block::Heading(Line::plain("Held:"))].into_iter().chain(many);
        let blocks =
            blocks.chain([Block::Heading(Line::plain("Stays:")), lines("Error: it failed"), lines("digest 0a1b")]);
        let text = told(&page(blocks.collect()), 10_000);
        assert!(text.len() <= 10_000);
        for said in ["Held:", "Stays:", "Error: it failed", "digest 0a1b", " of 3000.**"] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn a_table_that_is_too_long_loses_its_last_rows() {
        let row =
            |n: usize| vec![Line::plain(format!("check.c{n}")), Line::plain("holds"), Line::plain("x".repeat(80))];
        let table = Block::Table { head: vec!["WHAT", "STATE", "WHY"], rows: (0..1_000).map(row).collect() };
        let text = told(&Page { blocks: vec![table], ..Page::default() }, 10_000);
        assert!(text.len() <= 10_000);
        assert!(text.contains("| WHAT | STATE | WHY |\n| --- | --- | --- |\n| <code>check.c0</code> |"), "{text}");
        assert!(text.contains("check.c9") && text.contains(" of 1000.**") && text.contains("- <code>check."), "{text}");
        let wide = Block::Lines(vec![Line::plain("y".repeat(20_000))]);
        let text = told(&Page { blocks: vec![wide], ..Page::default() }, 10_000);
        assert!(text.contains("a part.** All of it is in the log"), "{text}");
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
