//! Styled text as data: lines of toned pieces, each made harmless as it is added; the caller decides about colour.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::clean::{clean, guard};

/// What a piece of text means; its colour follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Running text.
    Plain,
    /// Headings and addresses.
    Strong,
    /// Remarks.
    Faint,
    /// Made new.
    Add,
    /// Changed in place.
    Change,
    /// Removed.
    Remove,
    /// Looked at.
    Read,
    /// It is well.
    Good,
    /// It is not.
    Bad,
}

impl Tone {
    /// The terminal style.
    pub fn style(self) -> Style {
        let color = |color: AnsiColor| color.on_default();
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Add => color(AnsiColor::Green),
            Self::Change => color(AnsiColor::Yellow),
            Self::Remove => color(AnsiColor::Red),
            Self::Read => color(AnsiColor::Cyan),
            Self::Good => color(AnsiColor::Green).bold(),
            Self::Bad => color(AnsiColor::Red).bold(),
        }
    }
}

/// One line. Every piece is made harmless when it is added, so no renderer can forget to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Tone, String)>);

impl Line {
    /// A line of running text.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::of(Tone::Plain, text)
    }

    /// A line of one tone.
    pub fn of(tone: Tone, text: impl AsRef<str>) -> Self {
        Self::default().with(tone, text)
    }

    /// Adds a piece.
    #[must_use]
    pub fn with(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        if !text.is_empty() {
            self.0.push((tone, text));
        }
        self
    }

    /// Adds running text.
    #[must_use]
    pub fn and(self, text: impl AsRef<str>) -> Self {
        self.with(Tone::Plain, text)
    }

    /// Adds another line's pieces.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The pieces.
    pub fn pieces(&self) -> &[(Tone, String)] {
        &self.0
    }

    /// The text without styles.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// How many characters it has.
    pub fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.chars().count()).sum()
    }
}

/// Lines for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Vec<Line>);

impl Text {
    /// Adds a line.
    pub fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Adds an empty line, unless one is there or nothing is.
    pub fn gap(&mut self) {
        if self.0.last().is_some_and(|line| line.width() > 0) {
            self.0.push(Line::default());
        }
    }

    /// The text without styles, each line ended by a newline.
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for line in &self.0 {
            let text = line.text();
            out.push_str(guard(&text).unwrap_or(text).trim_end());
            out.push('\n');
        }
        out
    }

    /// The text with ANSI styles, each line ended by a newline.
    pub fn ansi(&self) -> String {
        let mut out = String::new();
        for line in &self.0 {
            if let Some(guarded) = guard(&line.text()) {
                out.push_str(&guarded);
            } else {
                for (tone, text) in &line.0 {
                    let style = tone.style();
                    // Writing to a String cannot fail.
                    let _ = write!(out, "{style}{text}{style:#}");
                }
            }
            out.push('\n');
        }
        out
    }
}

impl FromIterator<Line> for Text {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        Self(lines.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Text, Tone};

    #[test]
    fn a_command_split_over_pieces_is_still_seen() {
        let text: Text =
            [Line::of(Tone::Add, "##").and("vso[x]"), Line::plain(" :").and(":error")].into_iter().collect();
        assert_eq!(text.plain(), "# #vso[x]\n : :error\n");
        assert_eq!(text.ansi(), "# #vso[x]\n : :error\n");
    }

    #[test]
    fn styles_are_closed() {
        let text: Text = [Line::of(Tone::Add, "+").and(" x")].into_iter().collect();
        assert_eq!(text.ansi(), "\u{1b}[32m+\u{1b}[0m x\n");
    }
}
