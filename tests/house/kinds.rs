//! The register is complete: each kind has its source, its plan file, its SQL and a page in the reference.

use std::collections::BTreeSet;

use crate::files::{below, name, none, root, text};
use crate::source::code;

fn kinds() -> BTreeSet<&'static str> {
    pgentra::resources::schemas().iter().map(|schema| schema.kind).collect()
}

#[test]
fn each_kind_has_its_files() {
    let kinds = kinds();
    let mut complaints = Vec::new();
    for kind in &kinds {
        let sources = [format!("src/resources/{kind}.rs"), format!("src/resources/{kind}/mod.rs")];
        let Some(source) = sources.iter().find(|path| root().join(path).is_file()) else {
            complaints.push(format!("{kind}: no source at {}", sources.join(" or ")));
            continue;
        };
        let plan = format!("plans/{kind}.toml");
        if !root().join(&plan).is_file() {
            complaints.push(format!("{kind}: no {plan}"));
        }
        if code(&text(&root().join(source))).contains("crate::postgres")
            && below(&format!("sql/{kind}"), ".sql").is_empty()
        {
            complaints.push(format!("{kind} speaks SQL, but there is no sql/{kind}/"));
        }
    }
    none("kinds", &complaints);
}

#[test]
fn each_kind_in_the_source_is_registered() {
    let register = text(&root().join("src/resources/mod.rs"));
    let mut complaints = Vec::new();
    for path in below("src/resources", ".rs") {
        let code = code(&text(&path));
        for (at, _) in code.match_indices("Kind for ") {
            let named = &code[at + "Kind for ".len()..];
            let named: String = named.chars().take_while(|c| c.is_alphanumeric()).collect();
            if !register.contains(&format!("::{named},")) {
                complaints.push(format!("{}: {named} is not in the register", name(&path)));
            }
        }
    }
    none("kinds that nobody can use", &complaints);
}

#[test]
fn sql_directories_are_of_kinds_and_of_rooms() {
    let kinds = kinds();
    let mut complaints = Vec::new();
    for path in below("sql", ".sql") {
        let name = name(&path);
        let directory = name.split('/').nth(1).unwrap_or_default();
        if !kinds.contains(directory) && !["sandbox", "store", "evidence", "doctor"].contains(&directory) {
            complaints.push(format!("{name}: there is no kind {directory}"));
        }
        let text = text(&path);
        if !text.starts_with("-- ") {
            complaints.push(format!("{name}: does not begin with a comment that says what it is for"));
        }
    }
    none("SQL", &complaints);
}

#[test]
fn each_sql_file_is_included_by_the_code_and_told_of_in_the_guide_to_them() {
    let code: String = below("src", ".rs").iter().map(|path| text(path)).collect();
    let guide = text(&root().join("sql/README.md"));
    let mut complaints = Vec::new();
    for path in below("sql", ".sql") {
        let name = name(&path);
        if !code.contains(&format!("{name}\")")) {
            complaints.push(format!("{name} is included nowhere"));
        }
        if !guide.contains(&format!("`{}`", name.trim_start_matches("sql/"))) {
            complaints.push(format!("{name} is not in sql/README.md"));
        }
    }
    none("SQL", &complaints);
}
