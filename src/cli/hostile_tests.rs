//! Hostile names in what the command line writes besides pages: findings, SARIF, annotations, wrong usage, queries, roles.

use std::ffi::OsString;
use std::path::PathBuf;

use super::annotate::{self, Dialect};
use super::exit::Exit;
use super::findings;
use super::locate::Source;
use super::render_rbac::definition;
use super::sarif::sarif;
use crate::model::{Attributes, Class, Failure, Finding, Place, Value, written_out};
use crate::report::tests::hostile::{HARMLESS, hostile, tame};
use crate::report::{clean_lines, json_text};
use crate::resources::{Need, monitoring, sensor_queries};

/// A plan file of that name with that name in it, and findings about it.
fn found(name: &str) -> (Source, Vec<Finding>) {
    let text = format!("version = 1\nname = \"{name}\"\n");
    let place = Place::from(12..text.len() - 1);
    let error = Finding::error("bad-name", name, place).label(name).remedy(name);
    let warning = Finding::warning("unused", name, None);
    (Source { path: PathBuf::from(format!("{name}.toml")), text }, vec![error, warning])
}

#[test]
fn findings_add_no_line_but_those_of_the_file() {
    for name in hostile() {
        let (mut source, found) = found(&name);
        for colour in [false, true] {
            let told = findings::text(&source, &found, colour);
            let told = if colour { anstream::adapter::strip_str(&told).to_string() } else { told };
            tame(&told);
            assert!(told.ends_with("1 error, 1 warning\n"), "{told}");
        }
        // Apart from the excerpt, which has as many lines as the file.
        "version = 1\nname = \"x\"\n".clone_into(&mut source.text);
        let lines = |name: &str| {
            let found = [Finding::error("r", name, Place::from(0..3)).label(name).remedy(name)];
            findings::text(&source, &found, false).lines().count()
        };
        assert_eq!(lines(&name), lines(HARMLESS), "{name:?}");
    }
}

#[test]
fn sarif_gives_them_back_in_a_message_of_one_line() {
    for name in hostile() {
        let (source, found) = found(&name);
        let text = json_text(&sarif(&source, &found));
        tame(&text);
        let log: serde_json::Value = serde_json::from_str(&text).unwrap();
        let result = &log["runs"][0]["results"][0];
        let message = result["message"]["text"].as_str().unwrap();
        assert!(message.starts_with(&written_out(&name)) && !message.contains('\n'), "{message:?}");
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte)), "{uri}");
    }
}

#[test]
fn annotations_are_one_command_each() {
    for name in hostile() {
        let (source, found) = found(&name);
        let failure = Failure::new(Class::Other, "no").detail(&name).remedy(&name);
        for (dialect, start, end) in [(Dialect::Github, "::", "::"), (Dialect::Azure, "##vso[task.logissue type=", "]")]
        {
            let told = annotate::findings(dialect, &source, &found) + &annotate::failure(dialect, &failure);
            assert_eq!(told.lines().count(), 3, "{told}");
            for line in told.lines() {
                assert_eq!(written_out(line), line);
                let (properties, text) = line.strip_prefix(start).unwrap().split_once(end).unwrap();
                // A reader that looks for another command in the rest of the line finds none.
                tame(properties.trim_start_matches([' ', ':']));
                tame(&format!("x{text}"));
            }
        }
    }
}

#[test]
fn wrong_usage_with_them_is_an_error() {
    for name in hostile().into_iter().filter(|name| !name.contains('\0')) {
        let line = ["pgentra", "plan", "--format"].map(OsString::from).into_iter().chain([OsString::from(name)]);
        assert_eq!(super::run(line), Exit::Error);
    }
}

#[test]
fn queries_and_roles_keep_their_lines() {
    let sensor = |name: &str| {
        let text = |text: &str| Value::text(text);
        let sensor = Attributes::from([
            ("name".to_owned(), text(name)),
            ("kind".to_owned(), text("log")),
            ("workspace".to_owned(), text(name)),
            ("query".to_owned(), text("AppTraces | take 1")),
        ]);
        Attributes::from([("sensors".to_owned(), Value::List(vec![Value::Map(sensor)]))])
    };
    let queries = |name: &str| {
        let mut all = monitoring(&[name], false);
        all.extend(sensor_queries(name, &sensor(name)).unwrap());
        clean_lines(&all.into_iter().map(|query| query.text).collect::<Vec<_>>().join("\n"))
    };
    for name in hostile() {
        let text = queries(&name);
        tame(&text);
        assert_eq!(text.lines().count(), queries(HARMLESS).lines().count(), "{name:?}:\n{text}");
        let need = Need { scope: format!("/subscriptions/{name}"), action: "x/read".into(), data: false };
        let text = json_text(&definition(&name, false, &[need].into()));
        tame(&text);
        let role: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(role["Name"], format!("pgentra apply {name}"));
    }
}
