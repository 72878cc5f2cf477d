//! What no file of the repository may hold: paths of one machine, keys, addresses of people, marks of unfinished work.

use crate::files::{below, name, none};

/// Directories that exist on somebody's machine. Written in two parts, so that this file does not find itself.
const PATHS: [(&str, &str); 6] =
    [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("/wo", "rk/"), ("/mn", "t/"), ("C:\\", "Users")];

/// Marks of what is not done.
const UNFINISHED: [(&str, &str); 7] = [
    ("TO", "DO"),
    ("FIX", "ME"),
    ("XX", "X:"),
    ("to", "do!("),
    ("unimpl", "emented!("),
    ("db", "g!("),
    ("<<<<", "<<<"),
];

/// Endings of domains that belong to nobody, to this project's servers on loopback, or to Azure itself.
const NOBODY: [&str; 9] = [
    ".test",
    "example.com",
    "example.org",
    "example.net",
    ".invalid",
    ".example",
    "localhost",
    "contoso.com",
    "yourdomain.com",
];

fn texts() -> Vec<(String, String)> {
    let read = |path: &std::path::PathBuf| Some((name(path), std::fs::read_to_string(path).ok()?));
    let texts: Vec<_> = below("", "").iter().filter_map(read).collect();
    assert!(texts.len() > 200, "only {} files were found", texts.len());
    texts
}

#[test]
fn no_file_holds_what_is_only_somebodys() {
    let mut complaints = Vec::new();
    for (file, text) in texts() {
        // The licences and the lock file are not ours to write.
        if file.starts_with("LICENSE") || file == "Cargo.lock" {
            continue;
        }
        for (line, text) in text.lines().enumerate() {
            let at = || format!("{file}:{}", line + 1);
            for (one, two) in PATHS.iter().chain(&UNFINISHED) {
                // Homebrew on Linux lives in the same place on every machine.
                if text.contains(&format!("{one}{two}")) && !text.contains("linuxbrew") {
                    complaints.push(format!("{}: {one}{two}", at()));
                }
            }
            if text.contains(&["-----BEGIN", " PRIVATE"].concat()) || text.contains(&["-----BEGIN", " RSA"].concat()) {
                complaints.push(format!("{}: a private key", at()));
            }
            complaints.extend(people(text).map(|address| format!("{}: {address}", at())));
        }
    }
    none("what does not belong into a repository", &complaints);
}

/// Mail addresses at domains that somebody may have.
fn people(line: &str) -> impl Iterator<Item = &str> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    line.split(move |c| !inside(c)).map(|word| word.trim_end_matches('.')).filter(|word| {
        word.split_once('@').is_some_and(|(name, domain)| {
            let host = domain.contains('.') && domain.ends_with(|c: char| c.is_ascii_alphabetic());
            // Actions are written name@version, processes user@host, places to fill in a template x.@place@.y, and made-up
            // users of a server u@host.
            name.len() > 2 && !name.ends_with('.') && host && !NOBODY.iter().any(|nobody| domain.ends_with(nobody))
        })
    })
}

#[test]
fn addresses_of_people_are_told_from_others() {
    let found = |line: &str| people(line).map(str::to_owned).collect::<Vec<_>>();
    let somebody = ["jane", "company.com"].join("@");
    assert_eq!(found(&format!("mail {somebody}.")), [somebody]);
    assert!(found("dba@sandbox.test user@host actions/checkout@v4 a@1.2.3 boss@example.com").is_empty());
}

#[test]
fn nothing_is_left_lying_about() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "Makefile",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "clippy.toml",
        "rustfmt.toml",
        "deny.toml",
        "action.yml",
        ".pre-commit-hooks.yaml",
        ".gitignore",
        ".git",
    ];
    let top = below("", "").iter().map(|path| name(path)).filter(|name| !name.contains('/')).collect::<Vec<_>>();
    let stray: Vec<String> = top.into_iter().filter(|name| !allowed.contains(&name.as_str())).collect();
    none("files at the top that nobody expects", &stray);
}
