//! Finds and reads the plan file that a command is about.

use std::fs;
use std::path::{Path, PathBuf};

use crate::model::{Class, Failure};

/// A plan file as it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// The plan file given, the one in the directory given, or the one in `here`.
///
/// # Errors
/// `Input`: there is none, there are several, or it cannot be read.
pub fn find(given: Option<&Path>, here: &Path) -> Result<Source, Failure> {
    let path = match given {
        Some(path) if !path.is_dir() => path.to_owned(),
        directory => only_candidate(directory.unwrap_or(here))?,
    };
    let text = read(&path)?;
    Ok(Source { path, text })
}

/// The text of a file.
///
/// # Errors
/// `Input`: it cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        Failure::new(Class::Input, "cannot read the file")
            .detail(format!("{}: {error}", path.display()))
            .remedy("name a text file in UTF-8 that is there and that you may read")
    })
}

fn only_candidate(directory: &Path) -> Result<PathBuf, Failure> {
    let shown = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let unreadable = |error: std::io::Error| {
        Failure::new(Class::Input, "cannot look for a plan file")
            .detail(format!("{}: {error}", shown.display()))
            .remedy("name the plan file as an argument")
    };
    let mut candidates = Vec::new();
    for entry in fs::read_dir(shown).map_err(unreadable)? {
        let path = shown.join(entry.map_err(unreadable)?.file_name());
        if path.extension().is_some_and(|extension| extension == "toml")
            && fs::read_to_string(&path).is_ok_and(|text| is_plan_file(&text))
        {
            candidates.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
        }
    }
    candidates.sort();
    match candidates.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::new(Class::Input, "there is no plan file here")
            .detail(format!("{}: no file ends in .toml and has `version` at its top", shown.display()))
            .remedy("name it as an argument, or write one with `pgentra init`")),
        several => {
            let names: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(Failure::new(Class::Input, "there are several plan files here")
                .detail(names.join("\n"))
                .remedy(format!("name one of them as an argument: pgentra ... {}", names[0])))
        }
    }
}

/// Whether a text has `version` at its top. A text that is not TOML is judged by its lines before the first table, so
/// that a plan file with a syntax error is still found, and its error reported.
fn is_plan_file(text: &str) -> bool {
    if let Ok(table) = text.parse::<toml::Table>() {
        return table.contains_key("version");
    }
    let top = text.lines().map(str::trim).take_while(|line| !line.starts_with('['));
    top.filter_map(|line| line.split_once('=')).any(|(key, _)| key.trim() == "version")
}

#[cfg(test)]
mod tests {
    use super::find;
    use std::fs;

    #[test]
    fn the_only_plan_file_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path();
        let missing = find(None, here).unwrap_err();
        assert!(missing.summary == "there is no plan file here" && missing.remedy.is_some());

        fs::write(here.join("Cargo.toml"), "[package]\nversion = \"1\"\n").unwrap();
        fs::write(here.join("notes.txt"), "version = 1\n").unwrap();
        assert!(find(None, here).is_err());

        fs::write(here.join("b.toml"), "version = 1\nname = \n").unwrap();
        assert_eq!(find(None, here).unwrap().path, here.join("b.toml"), "a syntax error is no reason not to find it");

        fs::write(here.join("a.toml"), "version = 1\n").unwrap();
        let several = find(None, here).unwrap_err();
        let names: Vec<String> = ["a.toml", "b.toml"].map(|name| here.join(name).display().to_string()).into();
        assert_eq!(several.detail, Some(names.join("\n")));
        assert_eq!(find(Some(&here.join("a.toml")), here).unwrap().text, "version = 1\n");
        assert!(find(Some(&here.join("c.toml")), here).unwrap_err().summary.starts_with("cannot read"));
    }
}
