//! Page -> one self-contained HTML file: reads without JavaScript and without a network, light and dark.

mod drawing;

use std::fmt::Write as _;

use super::escape::html_text;
use super::page::{Block, Page, Row, Symbol};
use super::text::{Line, Tone};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page as HTML. `title` stands in the title and above all.
pub fn html(page: &Page, title: &str) -> String {
    let title = html_text(&super::clean::clean(title));
    let mut main = String::new();
    let mut summary = String::new();
    for block in &page.blocks {
        match block {
            Block::Verdict(line) => _ = writeln!(summary, "<p class=\"verdict\">{}</p>", inline(line)),
            Block::Consequences(lines) => {
                let lines = each(lines, |line| format!("<li>{}</li>", inline(line)));
                _ = writeln!(summary, "<ul class=\"consequences\">{lines}</ul>");
            }
            Block::Graph(nodes) => summary.push_str(&drawing::figure(nodes)),
            Block::Heading(line) => _ = writeln!(main, "<h2>{}</h2>", inline(line)),
            Block::Legend(_) => {}
            Block::Lines(lines) => _ = writeln!(main, "<pre class=\"lines\">{}</pre>", block_lines(lines)),
            Block::Table { head, rows } => main.push_str(&table(head, rows)),
            Block::Resource { comments, symbol, opening, rows } => {
                main.push_str(&resource(comments, *symbol, opening, rows));
            }
        }
    }
    let filters = if main.contains("<details class=\"resource") { FILTERS } else { "" };
    // On its way into a file it may pass through the log of a CI system.
    super::clean::guard_lines(&format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n{summary}</header>\n\
         {filters}<main>\n{main}</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ))
}

/// How many characters a cell has at most that is not broken.
const SHORT: usize = 24;

/// Hidden until the script runs, because without it they would do nothing.
const FILTERS: &str = "<form class=\"filters\" role=\"search\" hidden>\n\
    <label>Search <input type=\"search\" id=\"search\" autocomplete=\"off\"></label>\n\
    <fieldset><legend>Show</legend>\n\
    <label><input type=\"checkbox\" value=\"create\" checked> create</label>\n\
    <label><input type=\"checkbox\" value=\"update\" checked> update</label>\n\
    <label><input type=\"checkbox\" value=\"delete\" checked> destroy</label>\n\
    <label><input type=\"checkbox\" value=\"read\" checked> check</label>\n\
    <label><input type=\"checkbox\" value=\"same\" checked> other</label></fieldset>\n\
    <button type=\"button\" id=\"all\">Open or close all</button>\n\
    <output id=\"count\" aria-live=\"polite\"></output>\n</form>\n";

/// The class of a symbol, for colours and filters.
fn class(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Create => "create",
        Symbol::Update => "update",
        Symbol::Delete => "delete",
        Symbol::Read => "read",
        Symbol::Same => "same",
    }
}

/// Colour alone tells nothing to those who do not see it, so each row has its symbol too.
fn resource(comments: &[Line], symbol: Symbol, opening: &Line, rows: &[Row]) -> String {
    let mut notes = comments.iter();
    let head = notes.next().map(inline).unwrap_or_default();
    let address = comments.first().and_then(|line| line.pieces().first()).map(|(_, text)| text.as_str());
    let id = html_text(&drawing::anchor(address.unwrap_or_default()));
    let mark = html_text(symbol.mark().trim());
    let mut body = String::new();
    for note in notes {
        _ = writeln!(body, "<p class=\"note\">{}</p>", inline(note));
    }
    if !rows.is_empty() {
        let (tone, opening) = (class(symbol), inline(opening));
        _ = writeln!(body, "<pre class=\"diff\"><span class=\"{tone}\">{mark} {opening} {{</span>");
        for row in rows {
            let (mark, indent) = (html_text(row.symbol.mark()), "    ".repeat(row.depth + 1));
            _ = writeln!(body, "<span class=\"{}\">{indent}{mark} {}</span>", class(row.symbol), inline(&row.line));
        }
        body.push_str("}</pre>\n");
    }
    format!(
        "<details class=\"resource\" data-symbol=\"{}\" id=\"{id}\" open>\n<summary><span class=\"{} mark\">{mark}</span> \
         {head}</summary>\n{body}</details>\n",
        class(symbol),
        class(symbol)
    )
}

fn table(head: &[&'static str], rows: &[Vec<Line>]) -> String {
    // A time or a word stays on its line; what is long is broken where it has to be.
    let class = |cell: &Line| if cell.width() <= SHORT { " class=\"short\"" } else { "" };
    let cells = |cells: &[Line]| each(cells, |cell| format!("<td{}>{}</td>", class(cell), inline(cell)));
    let head = each(head, |name| format!("<th scope=\"col\">{}</th>", html_text(name)));
    let rows = each(rows, |row| format!("<tr>{}</tr>\n", cells(row)));
    format!("<div class=\"scroll\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n")
}

/// What becomes of each, one after the other.
fn each<T>(items: &[T], write: impl Fn(&T) -> String) -> String {
    items.iter().map(write).collect::<Vec<_>>().concat()
}

fn block_lines(lines: &[Line]) -> String {
    lines.iter().map(inline).collect::<Vec<_>>().join("\n")
}

fn inline(line: &Line) -> String {
    let piece = |(tone, text): &(Tone, String)| {
        let text = html_text(text);
        match tone {
            Tone::Plain => text,
            Tone::Strong => format!("<strong>{text}</strong>"),
            Tone::Faint => format!("<span class=\"faint\">{text}</span>"),
            Tone::Add => format!("<span class=\"create\">{text}</span>"),
            Tone::Change => format!("<span class=\"update\">{text}</span>"),
            Tone::Remove => format!("<span class=\"delete\">{text}</span>"),
            Tone::Read => format!("<span class=\"read\">{text}</span>"),
            Tone::Good => format!("<span class=\"good\">{text}</span>"),
            Tone::Bad => format!("<span class=\"bad\">{text}</span>"),
        }
    };
    line.pieces().iter().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::html;
    use crate::report::page::{Block, Node, Page, Row, Symbol};
    use crate::report::text::Line;

    #[test]
    fn hostile_names_cannot_leave_their_place() {
        let evil = "\"><script>alert(1)</script><img src=x onerror=y>'&";
        let line = || Line::plain(evil);
        let blocks = vec![
            Block::Heading(line()),
            Block::Lines(vec![line()]),
            Block::Table { head: vec!["A"], rows: vec![vec![line()]] },
            Block::Resource {
                comments: vec![line(), line()],
                symbol: Symbol::Create,
                opening: line(),
                rows: vec![Row { symbol: Symbol::Create, depth: 0, line: line() }],
            },
            Block::Verdict(line()),
            Block::Consequences(vec![line()]),
            Block::Graph(vec![Node { address: evil.into(), symbol: Symbol::Create, leans_on: vec![evil.into()] }]),
        ];
        let text = html(&Page { blocks, ..Page::default() }, evil);
        assert!(!text.contains("<script>alert") && !text.contains("<img"), "{text}");
        assert_eq!(text.matches("<script>").count(), 1);
        assert!(text.matches("&lt;script&gt;alert(1)").count() >= 9);
    }

    /// The relative luminance of `#rgb` or `#rrggbb`, as WCAG 2 defines it.
    fn luminance(colour: &str) -> f64 {
        let digits: Vec<char> = colour.chars().skip(1).collect();
        let wide: Vec<char> =
            if digits.len() == 3 { digits.iter().flat_map(|digit| [*digit; 2]).collect() } else { digits };
        let part = |at: usize| {
            let value = u8::from_str_radix(&wide[at..at + 2].iter().collect::<String>(), 16).unwrap();
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    #[test]
    fn every_text_can_be_told_from_its_ground_in_light_and_dark() {
        let themes: Vec<&str> =
            super::STYLE.split(":root {").skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
        assert_eq!(themes.len(), 2);
        for theme in themes {
            let colour = |name: &str| {
                let (_, rest) = theme.split_once(&format!("--{name}: ")).unwrap();
                luminance(rest.split(';').next().unwrap())
            };
            for text in ["fg", "soft", "create", "update", "delete", "read"] {
                for ground in ["bg", "box"] {
                    let (a, b) = (colour(text).max(colour(ground)), colour(text).min(colour(ground)));
                    let contrast = (a + 0.05) / (b + 0.05);
                    assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2} in {theme}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_fetched() {
        let text = html(&Page::default(), "plan");
        for mark in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!text.contains(mark), "{mark}");
        }
    }
}
