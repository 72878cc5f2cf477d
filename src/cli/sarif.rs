//! Findings as SARIF 2.1.0, which code scanning on GitHub and others read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::locate::Source;
use crate::model::{Finding, Severity};
use crate::plan::line_column;
use crate::report::clean;

/// The log of one run over one plan file.
pub fn sarif(source: &Source, findings: &[Finding]) -> Json {
    let rules: BTreeSet<&str> = findings.iter().map(|finding| finding.rule).collect();
    let result = |finding: &Finding| {
        let remedy = finding.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        let region = finding.place.as_ref().map(|place| {
            let ((line, column), (end_line, end_column)) =
                (line_column(&source.text, place.span.start), line_column(&source.text, place.span.end));
            json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column })
        });
        json!({
            "ruleId": finding.rule,
            "level": if finding.severity == Severity::Error { "error" } else { "warning" },
            "message": { "text": clean(&format!("{}{remedy}", finding.title)) },
            "locations": [{ "physicalLocation": {
                "artifactLocation": { "uri": uri(&source.path.display().to_string()) },
                "region": region.unwrap_or_else(|| json!({ "startLine": 1 })),
            } }],
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "pgentra",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|rule| json!({ "id": rule })).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// A path as a relative URI reference.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::sarif;
    use crate::cli::locate::Source;
    use crate::model::{Finding, Place};

    #[test]
    fn findings_become_results() {
        let source = Source { path: "plans/a b.toml".into(), text: "version = 1\nnaem = 1\n".into() };
        let found = [
            Finding::error("unknown-key", "`naem` is not known here", Place::from(12..16)).remedy("`name`?"),
            Finding::warning("unused", "no resource", None),
        ];
        let log = sarif(&source, &found);
        let results = &log["runs"][0]["results"];
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["region"]["endColumn"], 5);
        assert_eq!(results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "plans/a%20b.toml");
        assert_eq!(results[0]["message"]["text"], "`naem` is not known here; `name`?");
        assert_eq!((&results[0]["level"], &results[1]["level"]), (&"error".into(), &"warning".into()));
        assert_eq!(log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap().len(), 2);
    }
}
