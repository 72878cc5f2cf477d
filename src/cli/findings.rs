//! Findings of a plan file: the place underlined in its line for people, a range for programs; secrets masked.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;

use anstream::ColorChoice;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::annotate;
use super::exit::{Ended, Exit};
use super::locate::Source;
use super::output::Output;
use crate::model::{Class, Failure, Finding, Flaw, Place, Severity, is_unsafe};
use crate::plan::{PlanFile, line_column, masked};
use crate::report::{Block, Line, Page, Text, Tone, clean, finding_event, guard_lines};

/// Writes findings where they belong and says how the process ends: with [`Exit::Findings`] if one is an error.
/// As text they go to standard error, so that standard output stays data.
pub fn report(output: &Output, source: &Source, findings: &[Finding]) -> Exit {
    let color = output.stderr_color() != ColorChoice::Never;
    output.aside_raw(&text(source, findings, color));
    if errors(findings) > 0 {
        output.aside(&[Line::default(), closing(source)].into_iter().collect::<Text>());
    }
    if output.streams() {
        let path = source.path.display();
        let line = |place: &Place| format!("{path}:{}", line_column(&source.text, place.span.start).0);
        for finding in findings {
            let place = finding.place.as_ref().map(line);
            // Standard error has it too, and the exit code says it.
            drop(output.event(&finding_event(finding, place.as_deref(), Timestamp::now())));
        }
    }
    if let Some(dialect) = output.annotations() {
        output.aside_raw(&annotate::findings(dialect, source, findings));
    }
    if errors(findings) > 0 { Exit::Findings } else { Exit::Done }
}

/// The line by which tools that read Terraform's text know that there is no plan.
fn closing(source: &Source) -> Line {
    Line::of(Tone::Bad, "Error: ").and(source.path.display().to_string()).and(" cannot be used as it is")
}

/// Shows a failure whose cause is in the plan file as findings, each at its place; gives any other failure back.
pub fn of_failure(output: &Output, source: &Source, file: &PlanFile, failure: Failure) -> Ended {
    if failure.class != Class::Flawed {
        return failure.into();
    }
    let mut findings: Vec<Finding> = failure.flaws().iter().map(|flaw| finding(file, flaw)).collect();
    findings.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    ended(output, source, &findings)
}

/// Ends a command that cannot do without a plan file free of errors. Besides the text on standard error the findings are
/// its result, so that a comment or a file never goes on showing what an earlier plan file came to.
pub fn ended(output: &Output, source: &Source, findings: &[Finding]) -> Ended {
    if let Err(unwritten) = output.instead(&page(source, findings)) {
        return unwritten.into();
    }
    report(output, source, findings);
    Ended::Told(Exit::Findings)
}

/// A flaw at its place: that of the path, or of what is around it.
pub(super) fn finding(file: &PlanFile, flaw: &Flaw) -> Finding {
    let inside = file.places.get(&flaw.address);
    let around = std::iter::successors(Some(flaw.path.as_str()), |path| path.rsplit_once('.').map(|(path, _)| path));
    let place = around.into_iter().find_map(|path| inside?.get(path).cloned());
    let whole = || file.desired.iter().find(|want| want.address == flaw.address).and_then(|want| want.place.clone());
    let label = match flaw.rule {
        "contradiction" => "granted as well",
        "revoke-out-of-reach" => "not taken by this",
        _ => "not on the server",
    };
    let finding = Finding::error(flaw.rule, flaw.title.clone(), place.or_else(whole)).label(label);
    match &flaw.remedy {
        Some(remedy) => finding.remedy(remedy),
        None => finding,
    }
}

/// The same where the findings are the result itself (`validate`).
///
/// # Errors
/// The output cannot be written.
pub fn result(output: &Output, source: &Source, findings: &[Finding]) -> Result<Exit, Failure> {
    output.instead(&page(source, findings))?;
    if output.is_text() && findings.is_empty() {
        output.data(&format!("{}\n", verdict(source, findings)))?;
    }
    // To programs the result says it all.
    if !output.is_json() {
        report(output, source, findings);
    }
    Ok(if errors(findings) > 0 { Exit::Findings } else { Exit::Done })
}

/// Findings as a page: how many there are, then each with its line.
fn page(source: &Source, findings: &[Finding]) -> Page {
    let mut blocks = vec![Block::Verdict(Line::plain(verdict(source, findings)))];
    let lines = |one: String| Block::Lines(one.lines().map(Line::plain).collect());
    blocks.extend(each(source, findings, false).map(lines));
    Page { blocks, data: data(source, findings).into() }
}

/// `plan.toml: 1 error, 2 warnings`.
fn verdict(source: &Source, findings: &[Finding]) -> String {
    let path = clean(&source.path.display().to_string());
    if findings.is_empty() {
        return format!("Success! {path} is valid.");
    }
    let errors = errors(findings);
    let count = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let counts = [(errors, "error"), (findings.len() - errors, "warning")];
    let counts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| count(*n, word)).collect();
    format!("{path}: {}", counts.join(", "))
}

fn errors(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Error).count()
}

/// Findings as text, each with its line, and their number at the end. Empty when there are none.
pub fn text(source: &Source, findings: &[Finding], color: bool) -> String {
    if findings.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    for one in each(source, findings, color) {
        out.push_str(&one);
        out.push_str("\n\n");
    }
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", verdict(source, findings));
    guard_lines(&out)
}

/// Each finding with its line.
fn each(source: &Source, findings: &[Finding], color: bool) -> impl Iterator<Item = String> {
    let path = clean(&source.path.display().to_string());
    let masked = quotable(&source.text);
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    findings.iter().map(move |finding| renderer.render(&[group(finding, &masked, &path)]))
}

fn group<'a>(finding: &Finding, masked: &'a str, path: &str) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(clean(&finding.title)).id(finding.rule);
    let mut group = Group::with_title(title);
    if let Some(place) = &finding.place {
        let (start, end) = (floor(masked, place.span.start), floor(masked, place.span.end));
        let annotation = AnnotationKind::Primary.span(start..end.max(start)).label(finding.label.as_deref().map(clean));
        group = group.element(Snippet::source(masked).path(path.to_owned()).annotation(annotation));
    } else {
        group = group.element(annotate_snippets::Origin::path(path.to_owned()));
    }
    match &finding.remedy {
        Some(remedy) => group.element(Level::HELP.message(clean(remedy))),
        None => group,
    }
}

/// The last place at or before a byte where a character begins.
fn floor(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// The text of a plan file as it may be quoted, byte for byte as long: no secrets, and in the place of a character that a
/// terminal would obey one that is seen.
fn quotable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in masked(text).split_inclusive('\n') {
        let ends = line.trim_end_matches(['\n', '\r']).len();
        for (at, c) in line.char_indices() {
            if is_unsafe(c) && c != '\t' && at < ends {
                out.push_str(["?", "\u{bf}", "\u{fffd}", "\u{fffd}?"][c.len_utf8() - 1]);
            } else {
                out.push(c);
            }
        }
    }
    out
}

/// Findings as data, in the words of `terraform validate -json`.
fn data(source: &Source, findings: &[Finding]) -> Json {
    let errors = errors(findings);
    let place = |byte: usize| {
        let (line, column) = line_column(&source.text, byte);
        json!({ "line": line, "column": column, "byte": byte })
    };
    let diagnostic = |finding: &Finding| {
        let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
        json!({
            "severity": severity,
            "rule": finding.rule,
            "summary": finding.title,
            "label": finding.label,
            "remedy": finding.remedy,
            "range": finding.place.as_ref().map(|at| json!({
                "filename": source.path.display().to_string(),
                "start": place(at.span.start),
                "end": place(at.span.end),
            })),
        })
    };
    json!({
        "format_version": "1.0",
        "valid": errors == 0,
        "error_count": errors,
        "warning_count": findings.len() - errors,
        "diagnostics": findings.iter().map(diagnostic).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{annotate, data, text};
    use crate::cli::annotate::Dialect;
    use crate::cli::locate::Source;
    use crate::cli::sarif::sarif;
    use crate::model::{Finding, Place};
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn source(text: &str) -> Source {
        Source { path: PathBuf::from("plan.toml"), text: text.into() }
    }

    #[test]
    fn the_place_is_underlined() {
        let source = source("version = 1\nnaem = \"geo\"\n");
        let findings = [
            Finding::error("unknown-key", "`naem` is not known here", Place::from(12..16))
                .label("unknown")
                .remedy("did you mean `name`?"),
            Finding::warning("unused", "no resource\n::error::x", None),
        ];
        insta::assert_snapshot!(text(&source, &findings, false), @r#"
        error[unknown-key]: `naem` is not known here
         --> plan.toml:2:1
          |
        2 | naem = "geo"
          | ^^^^ unknown
          |
          = help: did you mean `name`?

        warning[unused]: no resource\n::error::x
        --> plan.toml

        plan.toml: 1 error, 1 warning
        "#);
        insta::assert_snapshot!(format!("{:#}", data(&source, &findings)), @r#"
        {
          "diagnostics": [
            {
              "label": "unknown",
              "range": {
                "end": {
                  "byte": 16,
                  "column": 5,
                  "line": 2
                },
                "filename": "plan.toml",
                "start": {
                  "byte": 12,
                  "column": 1,
                  "line": 2
                }
              },
              "remedy": "did you mean `name`?",
              "rule": "unknown-key",
              "severity": "error",
              "summary": "`naem` is not known here"
            },
            {
              "label": null,
              "range": null,
              "remedy": null,
              "rule": "unused",
              "severity": "warning",
              "summary": "no resource\n::error::x"
            }
          ],
          "error_count": 1,
          "format_version": "1.0",
          "valid": false,
          "warning_count": 1
        }
        "#);
        assert_eq!(super::closing(&source).text(), "Error: plan.toml cannot be used as it is");
        assert!(text(&source, &findings, true).contains("\u{1b}["));
        assert_eq!(text(&source, &[], false), "");
    }

    /// Whatever the finding points at, and whether or not it is about the secret.
    #[test]
    fn no_form_of_a_finding_tells_a_secret() {
        let toml = "version = 1\n[app.geo]\nsettings = { POSTGIS_PASSWORD = \"hunter2\", A = \"\"\"\nPassword=hunter2\"\"\" }\n\
                    sensitive = [\"GEO_PIN\"]\n[[app.geo.probe]]\nheaders = { Authorization = \"Bearer hunter2\" }\n\
                    [app.two.settings]\nGEO_PIN = \"hunter2\"\nX_KEY = { value = \"hunter2\" }\n";
        let source = source(toml);
        let (_, mut findings) = crate::plan::load(toml, &BTreeMap::new(), &crate::resources::schemas());
        assert!(findings.len() > 3, "{findings:?}");
        findings.extend((0..toml.len()).map(|at| Finding::error("r", "t", Place::from(at..toml.len()))));
        let told = [
            text(&source, &findings, false),
            text(&source, &findings, true),
            data(&source, &findings).to_string(),
            sarif(&source, &findings).to_string(),
            annotate::findings(Dialect::Github, &source, &findings),
            annotate::findings(Dialect::Azure, &source, &findings),
        ];
        assert!(told[0].contains("POSTGIS_PASSWORD = \"*******\""), "{}", told[0]);
        assert!(told.iter().all(|told| !told.contains("hunter2")), "{told:?}");
    }

    #[test]
    fn a_place_outside_the_text_is_no_panic() {
        for span in [0..999, 998..999, 2..3] {
            let told = text(&source("a\u{202e}ü"), &[Finding::error("r", "t", Place::from(span))], false);
            assert!(!told.contains('\u{202e}'), "{told}");
        }
    }
}
