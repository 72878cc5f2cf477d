//! Who may import whom, what the pure rooms may not do, how long a file may be, and how it has to begin.

use std::path::Path;

use crate::files::{below, name, none, root, text};
use crate::source::{code, depth, production, rooms_named, test_modules};

/// Each room and the rooms that it may import. The command line, which puts everything together, may import all.
const TABLE: [(&str, &[&str]); 13] = [
    ("model", &[]),
    ("plan", &["model"]),
    ("diff", &["model"]),
    ("journal", &["model"]),
    ("evidence", &["model"]),
    ("report", &["model", "diff", "journal", "evidence"]),
    ("azure", &["model"]),
    ("postgres", &["model"]),
    ("probe", &["model"]),
    ("resources", &["model", "azure", "postgres", "probe", "evidence"]),
    ("store", &["model", "journal", "evidence", "azure", "postgres"]),
    ("engine", &["model", "diff", "journal", "resources", "store"]),
    // The wire types that it answers with are its own; it shares only nouns.
    ("sandbox", &["model"]),
];

/// Everything that the pipeline may import: all but reports, the sandbox and the command line.
const PIPELINE: [&str; 11] =
    ["model", "plan", "diff", "journal", "evidence", "azure", "postgres", "probe", "resources", "store", "engine"];

/// Rooms without I/O, clock, environment, randomness and async.
const PURE: [&str; 6] = ["model", "plan", "diff", "journal", "evidence", "report"];

/// What such a room does not name.
const IMPURE: [&str; 17] = [
    "std::fs",
    "std::io",
    "std::env",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "Uuid::now",
    "tokio::",
    "async fn",
    "getrandom",
    "sqlx::",
];

const LONGEST_FILE: usize = 400;

fn allowed(room: &str) -> Option<&'static [&'static str]> {
    if room == "pipeline" {
        return Some(&PIPELINE);
    }
    TABLE.iter().find(|(name, _)| *name == room).map(|(_, may)| *may)
}

/// Whether a file, or a directory above it, is declared for tests only.
fn for_tests(inside_src: &Path) -> bool {
    let mut at = inside_src.with_extension("");
    while let Some(parent) = at.parent().map(Path::to_path_buf) {
        let module = at.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let src = root().join("src").join(&parent);
        for declaring in [src.join("mod.rs"), src.join("lib.rs"), src.with_extension("rs")] {
            if declaring.is_file() && test_modules(&code(&text(&declaring))).contains(&module) {
                return true;
            }
        }
        at = parent;
    }
    false
}

/// Path inside `src/` and production code of every file that is no test.
fn production_files() -> Vec<(String, String, usize)> {
    let src = root().join("src");
    let mut files = Vec::new();
    for path in below("src", ".rs") {
        let inside = path.strip_prefix(&src).unwrap();
        if !for_tests(inside) {
            files.push((inside.to_string_lossy().into_owned(), production(&code(&text(&path))), depth(inside)));
        }
    }
    assert!(files.len() > 100, "only {} files were found", files.len());
    files
}

fn room_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or_default();
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
fn rooms_import_only_what_they_may() {
    let mut complaints = Vec::new();
    for (file, code, depth) in production_files() {
        let room = room_of(&file);
        if ["lib", "main", "cli"].contains(&room) {
            continue;
        }
        let Some(may) = allowed(room) else {
            complaints.push(format!("src/{file}: there is no room {room}; it has no line in the table"));
            continue;
        };
        for named in rooms_named(&code, depth) {
            if named != room && !may.contains(&named.as_str()) {
                complaints.push(format!("src/{file}: {room} may not import {named}"));
            }
        }
    }
    none("imports against the table", &complaints);
}

#[test]
fn pure_rooms_do_nothing_but_compute() {
    let mut complaints = Vec::new();
    for (file, code, _) in production_files() {
        if PURE.contains(&room_of(&file)) {
            let named = IMPURE.iter().filter(|word| code.contains(**word));
            complaints.extend(named.map(|word| format!("src/{file}: {word}")));
        }
    }
    none("rooms that should only compute", &complaints);
}

#[test]
fn every_file_begins_with_what_it_is_for_and_is_short() {
    let mut complaints = Vec::new();
    for path in ["src", "tests", "examples", "benches"].iter().flat_map(|directory| below(directory, ".rs")) {
        let (name, text) = (name(&path), text(&path));
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            complaints.push(format!("{name}: {lines} lines"));
        }
        // Up to an empty line of the comment; one sentence may take two lines.
        let opening: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//! ")).collect();
        if !opening.first().is_some_and(|line| line.starts_with(|c: char| c.is_uppercase() || "`\"p".contains(c)))
            || !opening.iter().any(|line| line.trim_end().ends_with(['.', ':']))
        {
            complaints.push(format!("{name}: does not begin with a sentence in //!"));
        }
    }
    none("files", &complaints);
}

#[test]
fn the_architecture_page_has_the_table() {
    let page = text(&root().join("src/lib.rs"));
    let mut complaints = Vec::new();
    let documented = |room: &str| page.lines().find(|line| line.starts_with(&format!("//! | `{room}` |")));
    for (room, may) in TABLE {
        match documented(room) {
            // A room that is not built yet has no line.
            None if !root().join("src").join(room).is_dir() => {}
            None => complaints.push(format!("{room} has no line")),
            Some(line) => {
                let built = may.iter().filter(|room| root().join("src").join(room).is_dir());
                let lacking = built.filter(|room| !line.contains(&format!("`{room}`")));
                complaints.extend(lacking.map(|named| format!("{room} may import {named}, but its line lacks it")));
            }
        }
    }
    none("src/lib.rs", &complaints);
}
