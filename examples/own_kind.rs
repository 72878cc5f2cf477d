//! A kind of one's own: a text file with wanted lines. Two calls, `read` and `write`; the change set, the order, the
//! journal, resume and rollback come from the engine.
//!
//! ```sh
//! cargo run --example own_kind
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use async_trait::async_trait;
use pgentra::engine::{Scope, Silent};
use pgentra::model::{
    Attributes, Class, Failure, Field, Look, Nature, Observed, Output, Reading, Schema, State, Step, Type, Undo, Value,
};
use pgentra::pipeline::{self, ApplyOptions, Approve, Context, Planned, RollbackOptions};
use pgentra::plan::load;
use pgentra::resources::{MemoryWorld, Watch, World, Worlds, Written, schemas};
use pgentra::store::{Directory, LockNote, Store};

/// Everything pure about the kind: its fields, what it gives, and whether a change can be undone.
static HOSTS_FILE: Schema = Schema {
    kind: "lines",
    doc: "A text file has these lines; lines that the plan file does not name stay.",
    nature: Nature::Resource,
    fields: &[
        Field::new("path", Type::Text, "The file.").key(),
        Field::new("lines", Type::Map(&Type::Bool), "Line -> whether it is there.").or_reference(),
    ],
    outputs: &[Output { name: "path", doc: "The file.", same_as: Some("path") }],
    undo: |_, _| Undo::Faithful,
    serial_key: |key| Some(format!("file:{}", key.get("path")?.as_text()?)),
    restarts: |_, _| 0,
    consistent_within: Duration::ZERO,
};

/// The world of that kind: files.
struct Files;

fn path(key: &Attributes) -> Result<&Path, Failure> {
    key.get("path").and_then(Value::as_text).map(Path::new).ok_or_else(|| Failure::new(Class::Input, "no path"))
}

fn content(path: &Path) -> Result<Vec<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => {
            Err(Failure::new(Class::Other, "cannot read the file").detail(format!("{}: {error}", path.display())))
        }
    }
}

/// The lines that an end of a step names.
fn named(end: Option<&Attributes>) -> impl Iterator<Item = (&String, bool)> {
    let lines = end.and_then(|end| end.get("lines")).and_then(Value::as_map);
    lines.into_iter().flatten().map(|(line, there)| (line, there.as_bool() == Some(true)))
}

#[async_trait]
impl World for Files {
    fn schema(&self, kind: &str) -> Option<&'static Schema> {
        (kind == HOSTS_FILE.kind).then_some(&HOSTS_FILE)
    }

    /// Answers for exactly the lines that are asked for.
    async fn read(&self, look: Look<'_>) -> Result<Reading, Failure> {
        let there = content(path(look.key)?)?;
        let line = |(line, _): (&String, bool)| (line.clone(), Value::Bool(there.contains(line)));
        let lines = Value::Map(named(Some(look.attributes)).map(line).collect());
        let attributes = Attributes::from([("lines".to_owned(), lines)]);
        Ok(Reading::of(Observed::Present(State { attributes, outputs: look.key.clone() })))
    }

    /// Leads from one end to the other. The engine has looked right before, and looks again right after.
    async fn write(&self, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let path = path(&step.key)?;
        watch.note("writing the file");
        let after: BTreeMap<&String, bool> = named(step.after.as_ref()).collect();
        let ours: Vec<&String> =
            named(step.before.as_ref()).chain(named(step.after.as_ref())).map(|(line, _)| line).collect();
        let mut lines = content(path)?;
        lines.retain(|line| !ours.contains(&line) || after.get(line) == Some(&true));
        for (line, wanted) in after {
            if wanted && !lines.contains(line) {
                lines.push(line.clone());
            }
        }
        std::fs::write(path, lines.join("\n") + "\n")
            .map_err(|error| Failure::new(Class::Other, "cannot write the file").detail(error.to_string()))?;
        Ok(Written::Done)
    }
}

/// Shows each change set and approves of it.
struct Show;

#[async_trait]
impl Approve for Show {
    async fn approve(&self, planned: &Planned, _: usize) -> Result<bool, Failure> {
        planned.changes.changes.iter().for_each(|change| println!("{:?} {}", change.action, change.address));
        Ok(true)
    }

    fn nothing(&self, _: &Planned) -> Result<(), Failure> {
        println!("nothing to do");
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("hosts");
    std::fs::write(&file, "127.0.0.1 localhost\n")?;

    // The plan file knows the kind by its schema, beside those of pgentra.
    let mut all = schemas();
    all.push(&HOSTS_FILE);
    let text = format!(
        "version = 1\nname = \"own\"\n[resource.lines.hosts]\npath = {:?}\nlines = [\"10.0.0.4 database\"]\n",
        file.display().to_string()
    );
    let (plan, findings) = load(&text, &BTreeMap::new(), &all);
    let plan = plan.ok_or_else(|| format!("{findings:?}"))?;

    // The world knows it, too. The other kinds live in memory here; against Azure this would be the live world.
    let world = Worlds::new().with(Files).with(MemoryWorld::new());
    let store = Directory::new(dir.path().join("store"));
    let (who, host, operation) = ("me".to_owned(), "here".to_owned(), "apply".to_owned());
    let note = LockNote { who, host, pid: std::process::id(), operation, since: jiff::Timestamp::now() };
    let mut held = store.lock(note, Duration::ZERO).await?;
    let options = ApplyOptions {
        parallelism: 1,
        undo_on_failure: true,
        scope: Scope::App,
        whole: true,
        expect: None,
        who: "me@here".to_owned(),
    };
    let stop = AtomicBool::new(false);
    let context = Context { world: &world, store: &store, listener: &Silent, options: &options, stop: &stop };

    let applied = pipeline::apply(&context, &plan, held.as_mut(), &Show).await?;
    println!("{:?}: {:?}", applied.outcome, std::fs::read_to_string(&file)?);
    for record in &applied.records {
        println!("  {} {}", record.event.name(), record.event.step().unwrap_or_default());
    }
    let undone = pipeline::rollback(&context, None, RollbackOptions::default(), held.as_mut(), &Show).await?;
    println!("{:?}: {:?}", undone.outcome, std::fs::read_to_string(&file)?);
    Ok(())
}
