//! Gathers variables for a plan file: `--var` wins over `--var-file`, that over the environment, that over defaults.

use std::collections::BTreeMap;

use super::args::Global;
use super::locate;
use crate::model::{Class, Failure};
use crate::plan::{Given, Origin};

const PREFIX: &str = "PGENTRA_VAR_";

/// The variables that the arguments, their files and the environment of this process give.
///
/// # Errors
/// `Input`: an argument without `=`, a file that cannot be read or holds dates or fractions.
pub fn gather(global: &Global) -> Result<BTreeMap<String, Given>, Failure> {
    let mut files = Vec::new();
    for path in &global.var_file {
        files.push((path.display().to_string(), locate::read(path)?));
    }
    // A variable that is not UTF-8 cannot stand in a plan file; others of the environment are no business of ours.
    let environment =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    merge(&global.var, &files, environment)
}

/// The same, from what is given: later sources in this function win.
fn merge(
    arguments: &[String],
    files: &[(String, String)],
    environment: impl Iterator<Item = (String, String)>,
) -> Result<BTreeMap<String, Given>, Failure> {
    let mut given = BTreeMap::new();
    for (name, value) in environment {
        if let Some(name) = name.strip_prefix(PREFIX).filter(|name| !name.is_empty()) {
            given.insert(name.to_owned(), Given { value, origin: Origin::Environment });
        }
    }
    for (file, text) in files {
        for (name, value) in values(file, text)? {
            given.insert(name, Given { value, origin: Origin::File(file.clone()) });
        }
    }
    for argument in arguments {
        let (name, value) = argument.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(|| {
            // The argument may be a value whose name was forgotten, so it is not repeated.
            Failure::new(Class::Input, "--var takes NAME=VALUE").remedy("for example: --var env=prod")
        })?;
        given.insert(name.trim().to_owned(), Given { value: value.to_owned(), origin: Origin::Argument });
    }
    Ok(given)
}

fn values(file: &str, text: &str) -> Result<Vec<(String, String)>, Failure> {
    let wrong = |why: String| {
        Failure::new(Class::Input, "this is no file of variables")
            .detail(format!("{file}: {why}"))
            .remedy("write TOML lines such as: env = \"prod\"")
    };
    // Only the message: the whole error would print the line, and a variable may be confidential.
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let value = |(name, value): (String, toml::Value)| match value {
        toml::Value::String(text) => Ok((name, text)),
        toml::Value::Integer(number) => Ok((name, number.to_string())),
        toml::Value::Boolean(flag) => Ok((name, flag.to_string())),
        // For a variable that is declared as a list or a table, which reads it as TOML.
        toml::Value::Array(_) | toml::Value::Table(_) => Ok((name, value.to_string())),
        _ => Err(wrong(format!("{name} is no text, whole number, truth value, list or table"))),
    };
    table.into_iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::plan::Origin;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nearer_sources_win() {
        let environment =
            pairs(&[("PGENTRA_VAR_a", "env"), ("PGENTRA_VAR_b", "env"), ("PGENTRA_VAR_c", "env"), ("HOME", "x")]);
        let files = pairs(&[
            ("one.toml", "b = \"one\"\nd = 5\nf = true\ng = [\"x\"]\n[h]\ny = { z = \"1\" }"),
            ("two.toml", "d = 6"),
        ]);
        let given = merge(&["c=arg=x".to_owned(), "b=arg".to_owned()], &files, environment.into_iter()).unwrap();
        let told: Vec<String> =
            given.iter().map(|(name, given)| format!("{name}={} {:?}", given.value, given.origin)).collect();
        assert_eq!(
            told,
            [
                "a=env Environment",
                "b=arg Argument",
                "c=arg=x Argument",
                "d=6 File(\"two.toml\")",
                "f=true File(\"one.toml\")",
                "g=[\"x\"] File(\"one.toml\")",
                "h={ y = { z = \"1\" } } File(\"one.toml\")"
            ]
        );
        assert_eq!(given["a"].origin, Origin::Environment);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        let none = || std::iter::empty();
        let failure = merge(&["hunter2".to_owned()], &[], none()).unwrap_err();
        assert!(!format!("{failure:?}").contains("hunter2"));
        for text in ["x = 1.5", "x = hunter2", "= 1"] {
            let failure = merge(&[], &pairs(&[("f.toml", text)]), none()).unwrap_err();
            assert!(
                failure.first_cause().starts_with("f.toml") && !format!("{failure:?}").contains("hunter2"),
                "{failure:?}"
            );
        }
    }
}
