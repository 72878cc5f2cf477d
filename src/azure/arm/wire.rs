//! What calls and answers of the Resource Manager are made of: segments of paths, headers, and which refusals may pass.

use std::time::Duration;

use azure_core::http::headers::{HeaderName, Headers};
use azure_core::http::{Method, Url};

/// Whether an answer of this status may be different the next time, without the call being carried out twice.
pub(super) fn passing(status: u16, reads: bool) -> bool {
    matches!(status, 429 | 503) || (reads && matches!(status, 408 | 500 | 502 | 504))
}

pub(crate) fn header<'a>(headers: &'a Headers, name: &'static str) -> Option<&'a str> {
    headers.get_optional_str(&HeaderName::from_static(name))
}

/// `Retry-After` in seconds.
pub(crate) fn retry_after(headers: &Headers) -> Option<Duration> {
    header(headers, "retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
}

/// A call in a few words: the verb and the path from the provider on.
pub(crate) fn describe(method: Method, url: &Url) -> String {
    let path = url.path();
    let short = path.split_once("/providers/").map_or(path, |(_, rest)| rest);
    format!("{} {short}", method.as_ref())
}

/// One segment of a path: a name from outside cannot become another path.
pub(crate) fn segment(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'(' | b')' => char::from(byte).to_string(),
            b'.' if name != "." && name != ".." => ".".to_owned(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
