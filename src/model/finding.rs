//! A finding: something wrong with a plan file, with its place in the text and a remedy.

use std::ops::Range;

/// A place in a text, as a range of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes from the start of the text.
    pub span: Range<usize>,
}

impl From<Range<usize>> for Place {
    fn from(span: Range<usize>) -> Self {
        Self { span }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The plan file cannot be used.
    Error,
    /// It can be used, and somebody should look.
    Warning,
}

/// Something wrong with a plan file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for the rule, such as `unknown-key`.
    pub rule: &'static str,
    /// What is wrong, one line.
    pub title: String,
    /// Where; `None` when it concerns the file as a whole.
    pub place: Option<Place>,
    /// A word at the underlined place.
    pub label: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    /// An error at a place.
    pub fn error(rule: &'static str, title: impl Into<String>, place: impl Into<Option<Place>>) -> Self {
        Self { severity: Severity::Error, rule, title: title.into(), place: place.into(), label: None, remedy: None }
    }

    /// A warning at a place.
    pub fn warning(rule: &'static str, title: impl Into<String>, place: impl Into<Option<Place>>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, title, place) }
    }

    /// Adds a word at the underlined place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}
