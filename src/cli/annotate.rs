//! Annotations: findings and failures as commands that GitHub and Azure Pipelines show beside the file or in the summary.

use crate::model::{Failure, Finding, Severity};
use crate::plan::line_column;
use crate::report::{clean, guard_lines};

use super::args::Annotations;
use super::locate::Source;

/// Whose commands are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// GitHub Actions: `::error file=...::text`.
    Github,
    /// Azure Pipelines: `##vso[task.logissue type=error;...]text`.
    Azure,
}

/// The dialect that was asked for, or that of the CI system that runs this.
pub fn dialect(asked: Annotations, env: &dyn Fn(&str) -> Option<String>) -> Option<Dialect> {
    let set = |name: &str| env(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    match asked {
        Annotations::Github => Some(Dialect::Github),
        Annotations::Azure => Some(Dialect::Azure),
        Annotations::Auto => [("GITHUB_ACTIONS", Dialect::Github), ("TF_BUILD", Dialect::Azure)]
            .into_iter()
            .find_map(|(name, dialect)| set(name).then_some(dialect)),
        Annotations::None => None,
    }
}

/// One command per finding, each on a line of its own.
pub fn findings(dialect: Dialect, source: &Source, findings: &[Finding]) -> String {
    let path = guard_lines(&clean(&source.path.display().to_string()));
    let one = |finding: &Finding| {
        let place = finding.place.as_ref().map(|place| line_column(&source.text, place.span.start));
        let text = sentence(&finding.title, finding.label.as_deref(), finding.remedy.as_deref());
        command(dialect, finding.severity, Some((&path, place)), finding.rule, &text)
    };
    findings.iter().map(one).collect()
}

/// The command for a failure that ends the program.
pub fn failure(dialect: Dialect, failure: &Failure) -> String {
    let text = sentence(failure.summary, failure.detail.as_deref(), failure.remedy.as_deref());
    command(dialect, Severity::Error, None, "pgentra", &text)
}

fn sentence(summary: &str, detail: Option<&str>, remedy: Option<&str>) -> String {
    let detail = detail.map(|detail| format!(": {detail}")).unwrap_or_default();
    let remedy = remedy.map(|remedy| format!(" ({remedy})")).unwrap_or_default();
    // A reader that takes commands anywhere in a line must not find a second one.
    guard_lines(&clean(&format!("{summary}{detail}{remedy}")))
}

type Place<'a> = (&'a str, Option<(usize, usize)>);

fn command(dialect: Dialect, severity: Severity, place: Option<Place<'_>>, rule: &str, text: &str) -> String {
    let kind = if severity == Severity::Error { "error" } else { "warning" };
    let line = place.and_then(|(_, at)| at);
    match dialect {
        Dialect::Github => {
            let file = place.map(|(path, _)| format!("file={},", property(path))).unwrap_or_default();
            let at = line.map(|(line, column)| format!("line={line},col={column},")).unwrap_or_default();
            format!("::{kind} {file}{at}title={}::{}\n", property(rule), data(text))
        }
        Dialect::Azure => {
            let file = place.map(|(path, _)| format!("sourcepath={};", issue(path))).unwrap_or_default();
            let at = line.map(|(line, column)| format!("linenumber={line};columnnumber={column};")).unwrap_or_default();
            format!("##vso[task.logissue type={kind};{file}{at}code={};]{}\n", issue(rule), issue(text))
        }
    }
}

/// GitHub's escapes for the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// GitHub's escapes for a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Azure Pipelines' escapes.
fn issue(text: &str) -> String {
    text.replace('%', "%AZP25").replace(';', "%3B").replace('\r', "%0D").replace('\n', "%0A").replace(']', "%5D")
}

#[cfg(test)]
mod tests {
    use super::{Annotations, Dialect, dialect, failure, findings};
    use crate::cli::locate::Source;
    use crate::model::{Class, Failure, Finding, Place};

    #[test]
    fn the_dialect_is_that_of_the_ci_system() {
        let env = |name: &'static str| move |asked: &str| (asked == name).then(|| "true".to_owned());
        assert_eq!(dialect(Annotations::Auto, &env("GITHUB_ACTIONS")), Some(Dialect::Github));
        assert_eq!(dialect(Annotations::Auto, &env("TF_BUILD")), Some(Dialect::Azure));
        assert_eq!(dialect(Annotations::Auto, &env("CI")), None);
        assert_eq!(dialect(Annotations::None, &env("TF_BUILD")), None);
        assert_eq!(dialect(Annotations::Azure, &env("CI")), Some(Dialect::Azure));
    }

    #[test]
    fn findings_point_into_the_file() {
        let source = Source { path: "a,b:c.toml".into(), text: "version = 1\nnaem = 1\n".into() };
        let evil = "100%\n::error::x ##vso[x];]";
        let found = [Finding::error("unknown-key", evil, Place::from(12..16)).remedy("did you mean `name`?")];
        assert_eq!(
            findings(Dialect::Github, &source, &found),
            "::error file=a%2Cb%3Ac.toml,line=2,col=1,title=unknown-key::100%25\\n::error::x # #vso[x];] (did you mean `name`?)\n"
        );
        assert_eq!(
            findings(Dialect::Azure, &source, &found),
            "##vso[task.logissue type=error;sourcepath=a,b:c.toml;linenumber=2;columnnumber=1;code=unknown-key;]\
             100%AZP25\\n::error::x # #vso[x%5D%3B%5D (did you mean `name`?)\n"
        );
        let told = failure(Dialect::Github, &Failure::new(Class::Other, "no").detail("password=hunter2"));
        assert_eq!(told, "::error title=pgentra::no: (sensitive value)\n");
    }
}
