//! A deployment by a command of the user's: one program deploys, one sees what is deployed, one brings back.

use std::time::Duration;

use super::process::{Ended, Program};
use super::with_content;
use crate::model::{Attributes, Class, Failure, Look, Purpose, Reading, Value, duration};
use crate::resources::live::{optional_text, site_id};
use crate::resources::{Live, Watch};

/// What the content is called where the check's exit code alone counts.
pub(in crate::resources) const DEPLOYED: &str = "deployed";
/// How long a program may take unless the plan file says otherwise.
const TIMEOUT: Duration = Duration::from_mins(15);

pub(super) async fn read(live: &Live, look: &Look<'_>) -> Result<Reading, Failure> {
    let attributes = look.attributes;
    let content = deployed(live, look.key, attributes).await?;
    let mut reading = Reading::present(with_content(attributes, content), Attributes::new());
    if look.purpose == Purpose::Plan {
        reading.desired = Some(with_content(attributes, Value::text(wanted(attributes))));
    }
    Ok(reading)
}

/// Runs the program that leads to the content of `after`.
pub(super) async fn write(live: &Live, key: &Attributes, after: &Attributes, watch: &dyn Watch) -> Result<(), Failure> {
    let forward = optional_text(after, "content") == Some(wanted(after));
    let name = if forward { "command" } else { "undo" };
    let program = program(live, key, after, name)?;
    watch.note(&format!("running {}", program.shown()));
    let ended = program.run().await?;
    if ended.code == Some(0) { Ok(()) } else { Err(failed(&program, &ended)) }
}

/// What the content has to be.
fn wanted(attributes: &Attributes) -> &str {
    optional_text(attributes, "version").unwrap_or(DEPLOYED)
}

/// What the check sees: the version that it names, or whether the code is there.
async fn deployed(live: &Live, key: &Attributes, attributes: &Attributes) -> Result<Value, Failure> {
    let ended = program(live, key, attributes, "check")?.run().await?;
    Ok(match (ended.code, attributes.contains_key("version")) {
        (Some(0), true) => ended.first_line().map_or(Value::Null, Value::text),
        (Some(0), false) => Value::text(DEPLOYED),
        _ => Value::Null,
    })
}

fn failed(program: &Program, ended: &Ended) -> Failure {
    let how = match ended.code {
        Some(code) => format!("{} exited with {code}", program.shown()),
        None => format!("{} was ended by a signal", program.shown()),
    };
    let detail = format!("{how}\n{}", ended.last_lines());
    Failure::new(Class::Other, "the command failed")
        .detail(detail)
        .remedy("mend what it complains of, then run the same command again")
}

/// One of the programs that the plan file names.
fn program(live: &Live, key: &Attributes, attributes: &Attributes, name: &str) -> Result<Program, Failure> {
    let texts = |name: &str| -> Vec<String> {
        let list = attributes.get(name).and_then(Value::as_list).unwrap_or_default();
        list.iter().filter_map(Value::as_text).map(str::to_owned).collect()
    };
    let words = texts(name);
    if words.is_empty() {
        return Err(Failure::new(Class::Input, "the deployment lacks a command")
            .detail(format!("{}: `{name}`", site_id(key)?))
            .remedy(format!("add {name} = [\"...\"] to the plan file")));
    }
    let span = optional_text(attributes, "timeout").and_then(duration).and_then(|span| Duration::try_from(span).ok());
    let about = [
        ("PGENTRA_APP", "app"),
        ("PGENTRA_SLOT", "slot"),
        ("PGENTRA_RESOURCE_GROUP", "resource_group"),
        ("PGENTRA_SUBSCRIPTION", "subscription"),
    ];
    let about =
        about.into_iter().filter_map(|(name, part)| Some((name.to_owned(), optional_text(key, part)?.to_owned())));
    Program::new(words, live.directory(), &texts("env"), about.collect(), span.unwrap_or(TIMEOUT))
}
