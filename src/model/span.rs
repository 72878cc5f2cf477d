//! Spans of time as plan files write them (`90s`, `5m`, `24h`, `7d`, `1d 12h`), and moments as reports do.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// The length of a span of time in the words of plan files, a day being 24 hours; `None` when it is not one.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|length| !length.is_negative())
}

/// A moment for people and machines: RFC 3339 in UTC, whole seconds.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A length of time in words: its largest unit and the next one, `6d 12h`.
pub fn in_words(length: SignedDuration) -> String {
    let seconds = length.as_secs().unsigned_abs();
    let parts = [(seconds / 86_400, 'd'), (seconds / 3_600 % 24, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = parts.iter().skip(first).take(2).enumerate();
    let words =
        shown.filter(|(at, (count, _))| *at == 0 || *count > 0).map(|(_, (count, unit))| format!("{count}{unit}"));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{duration, in_words};
    use jiff::SignedDuration;

    #[test]
    fn spans_are_read() {
        let seconds = |text| duration(text).map(|length| length.as_secs());
        assert_eq!((seconds("90s"), seconds("0s")), (Some(90), Some(0)));
        assert_eq!((seconds("7d"), seconds("1w"), seconds("1d 12h")), (Some(604_800), Some(604_800), Some(129_600)));
        for text in ["", "7", "-5m", "x", "1mo", "999999999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        let words = |seconds| in_words(SignedDuration::from_secs(seconds));
        assert_eq!((words(0), words(59), words(60)), ("0s".into(), "59s".into(), "1m".into()));
        assert_eq!((words(90_000), words(86_430), words(-3_660)), ("1d 1h".into(), "1d".into(), "1h 1m".into()));
    }
}
