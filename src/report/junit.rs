//! A checklist as JUnit XML, which CI systems show as test results.

use std::fmt::Write as _;

use super::checklist::Check;
use super::clean::clean;
use super::escape::html_text;

/// One test suite with a test case per condition.
pub fn junit(suite: &str, checks: &[Check]) -> String {
    let failed = checks.iter().filter(|check| !check.holds).count();
    let text = |text: &str| html_text(&clean(text));
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let counts = format!("tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\"", checks.len());
    // Writing to a String cannot fail.
    _ = writeln!(out, "<testsuites {counts}>\n  <testsuite name=\"{}\" {counts}>", text(suite));
    for check in checks {
        let name = format!("    <testcase classname=\"{}\" name=\"{}\"", text(suite), text(&check.label));
        if check.holds {
            _ = writeln!(out, "{name}/>");
        } else {
            let detail = text(&check.detail);
            _ = writeln!(out, "{name}>\n      <failure message=\"{detail}\">{detail}</failure>\n    </testcase>");
        }
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::junit;
    use crate::report::Check;

    #[test]
    fn conditions_are_test_cases() {
        let check = |label: &str, holds, detail: &str| Check { label: label.into(), holds, detail: detail.into() };
        let checks = [check("Entra is on", true, ""), check("a \"<b>\" & ]]>", false, "HTTP 500\u{1b}")];
        insta::assert_snapshot!(junit("verify geoapi", &checks), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="2" failures="1" errors="0" skipped="0">
          <testsuite name="verify geoapi" tests="2" failures="1" errors="0" skipped="0">
            <testcase classname="verify geoapi" name="Entra is on"/>
            <testcase classname="verify geoapi" name="a &quot;&lt;b&gt;&quot; &amp; ]]&gt;">
              <failure message="HTTP 500\u{1b}">HTTP 500\u{1b}</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
