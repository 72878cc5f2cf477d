//! One request to the emulator and one reply, free of the HTTP library so that each handler is a plain function.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Call {
    /// GET, PUT, ...
    pub method: String,
    /// Decoded segments of the path, as written.
    pub segments: Vec<String>,
    /// The same in lower case, to match by.
    pub lower: Vec<String>,
    /// The path as written.
    pub path: String,
    /// Query parameters; names in lower case.
    pub query: BTreeMap<String, String>,
    /// Headers; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Vec<u8>,
}

impl Call {
    /// Takes a request apart.
    pub fn new(method: &str, uri: &str, headers: BTreeMap<String, String>, body: Vec<u8>) -> Self {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let segments: Vec<String> =
            path.split('/').filter(|segment| !segment.is_empty()).map(|segment| decode(segment, false)).collect();
        let lower = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let query = pairs(query).into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        Self { method: method.to_owned(), segments, lower, path: path.to_owned(), query, headers, body }
    }

    /// The same call of a path that begins with `prefix`.
    pub fn below(mut self, prefix: &str) -> Self {
        let mut segments: Vec<String> = prefix.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        segments.append(&mut self.segments);
        self.lower = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        Self { path: format!("{prefix}{}", self.path), segments, ..self }
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as a form.
    pub fn form(&self) -> BTreeMap<String, String> {
        pairs(&String::from_utf8_lossy(&self.body))
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The path's segments in lower case.
    pub fn parts(&self) -> Vec<&str> {
        self.lower.iter().map(String::as_str).collect()
    }
}

/// The pairs of a query or form.
fn pairs(text: &str) -> BTreeMap<String, String> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name, true), decode(value, true)))
        .collect()
}

fn decode(text: &str, plus: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, code.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) if plus => {
                bytes.push(b' ');
                rest = tail;
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers besides those of the body.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Content,
}

/// The body of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// None.
    Empty,
    /// JSON.
    Json(Value),
    /// Another media type.
    Text(&'static str, String),
}

impl Reply {
    /// A reply without body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Content::Empty }
    }

    /// A JSON reply.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Content::Json(body) }
    }

    /// 200 with JSON.
    pub fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    /// Adds a header.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// For the HTTP library.
    pub fn into_response(self) -> Response<Body> {
        let (media, body) = match self.body {
            Content::Empty => (None, Body::empty()),
            Content::Json(value) => (Some("application/json; charset=utf-8"), Body::from(value.to_string())),
            Content::Text(media, text) => (Some(media), Body::from(text)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let media = media.map(|media| ("content-type".to_owned(), media.to_owned()));
        for (name, value) in media.into_iter().chain(self.headers) {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().append(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Call;

    #[test]
    fn requests_are_taken_apart() {
        let call = Call::new("GET", "/A%2Fb/c?Api-Version=1+2&x=%e4%", BTreeMap::new(), b"a=b%20c".to_vec());
        assert_eq!(call.segments, ["A/b", "c"]);
        assert_eq!(call.lower, ["a/b", "c"]);
        assert_eq!(call.parameter("api-version"), Some("1 2"));
        assert_eq!(call.form()["a"], "b c");
    }
}
