//! Page -> styled lines for a terminal, laid out as Terraform does.

use super::page::{Block, Page, Row, Symbol};
use super::text::{Line, Text, Tone};

/// Lays a page out.
pub fn terminal(page: &Page) -> Text {
    let mut text = Text::default();
    for block in &page.blocks {
        // The verdict and what comes of it stay together, so that the verdict alone is a line as Terraform prints it.
        if !matches!(block, Block::Consequences(_) | Block::Graph(_)) {
            text.gap();
        }
        match block {
            Block::Graph(_) => {}
            Block::Heading(line) | Block::Verdict(line) => text.push(line.clone()),
            Block::Lines(lines) | Block::Legend(lines) | Block::Consequences(lines) => {
                for line in lines {
                    text.push(line.clone());
                }
            }
            Block::Resource { comments, symbol, opening, rows } => {
                resource(&mut text, comments, *symbol, opening, rows);
            }
            Block::Table { head, rows } => table(&mut text, head, rows),
        }
    }
    text
}

fn resource(text: &mut Text, comments: &[Line], symbol: Symbol, opening: &Line, rows: &[Row]) {
    for comment in comments {
        text.push(Line::plain("  # ").join(comment.clone()));
    }
    if rows.is_empty() {
        return;
    }
    let mark =
        |symbol: Symbol, indent: usize| Line::plain(" ".repeat(indent)).with(symbol.tone(), symbol.mark()).and(" ");
    text.push(mark(symbol, 1).join(opening.clone()).and(" {"));
    for row in rows {
        text.push(mark(row.symbol, 5 + 4 * row.depth).join(row.line.clone()));
    }
    text.push(Line::plain("    }"));
}

fn table(text: &mut Text, head: &[&'static str], rows: &[Vec<Line>]) {
    let head: Vec<Line> = head.iter().map(|name| Line::of(Tone::Strong, name)).collect();
    let width = |column: usize| {
        rows.iter().chain([&head]).filter_map(|row| row.get(column)).map(Line::width).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&head].into_iter().filter(|head| head.iter().any(|name| name.width() > 0)).chain(rows) {
        let mut line = Line::default();
        for (index, cell) in row.iter().enumerate() {
            let last = index + 1 == row.len();
            let fill = if last { 0 } else { widths.get(index).copied().unwrap_or_default() + 2 - cell.width() };
            line = line.join(cell.clone()).and(" ".repeat(fill));
        }
        text.push(line);
    }
}
