//! Kind `deployment`: the code of an app is a zip with this content, or what a command of the user's deployed.

use std::time::Duration;

use async_trait::async_trait;

use super::live::{entries, optional_text, site_id};
use super::{Behaviour, Kind, Live, Watch, Written, behaviour};
use crate::model::{Attributes, Class, Failure, Field, Look, Nature, Reading, Schema, Step, Type, Undo, Value};

mod command;
pub(super) use command::DEPLOYED;
mod process;
#[cfg(test)]
mod tests;
mod zip;
pub(super) use zip::deployed;

/// The kind `deployment`.
pub struct Deployment;

const WORDS: Type = Type::List(&Type::Text);

static SCHEMA: Schema = Schema {
    kind: "deployment",
    doc: "The code of an app: either a zip, known by its SHA-256 and published through the app's SCM site, or what a \
          command of yours deploys. An app that a change of settings prepares is deployed after it, and checked after \
          that. What is deployed is seen by the name under which pgentra publishes a zip; of what others deployed the \
          content is not known, so that only a `previous` zip which pgentra published can be given back.",
    nature: Nature::Resource,
    fields: &[
        Field::new("subscription", Type::Guid, "Azure subscription id of the app.").key(),
        Field::new("resource_group", Type::Text, "Azure resource group of the app.").key(),
        Field::new("app", Type::Text, "The app, by its Azure name.").key(),
        Field::new("slot", Type::Text, "A deployment slot; each has code of its own.").optional_key(),
        Field::new("zip", Type::Text, "The zip, beside the plan file. Either this or `command`."),
        Field::new(
            "previous",
            Type::Text,
            "The zip that is deployed now, beside the plan file. When it is what pgentra published last, the deployment \
             can be undone.",
        ),
        Field::new(
            "build",
            Type::Bool,
            "Whether the code is built after it is published, which Flex Consumption needs for Python. Default: false; \
             other plans go by the app's settings.",
        ),
        Field::new(
            "command",
            WORDS,
            "A program with its arguments that deploys the code; no shell is between. It runs beside the plan file with \
             PATH, HOME and a few more of the environment, PGENTRA_APP, PGENTRA_SLOT, PGENTRA_RESOURCE_GROUP and \
             PGENTRA_SUBSCRIPTION. It may be run again, and has to come to the same then.",
        ),
        Field::new("undo", WORDS, "The program that brings back what was deployed before `command`."),
        Field::new(
            "check",
            WORDS,
            "The program that sees what is deployed and changes nothing; required with `command`. It exits with 0 where \
             the code of `command` is deployed. `plan` runs it, too: look at a stranger's plan file first.",
        ),
        Field::new(
            "version",
            Type::Text,
            "What the first line of the check's output has to be. Default: its exit code alone counts.",
        ),
        Field::new(
            "env",
            WORDS,
            "Names of environment variables that the programs get besides. Their values are struck out of what the \
             programs say.",
        ),
        Field::new("timeout", Type::Duration, "How long one of the programs may take. Default: 15m."),
        Field::new(
            "keep",
            Type::Bool,
            "Leave the new code in place when a run is undone, as it works with the password, too. Default: false; then a \
             deployment that cannot be undone is refused.",
        ),
        Field::new("content", Type::Text, "Restated by a plan: what is deployed."),
        Field::new("zips", Type::Map(&Type::Text), "Restated by a plan: the zips at hand by their content."),
    ],
    outputs: &[],
    undo,
    serial_key: |key| optional_text(key, "app").map(|app| format!("site:{app}")),
    restarts: |before, after| {
        let content = |end: Option<&Attributes>| end.and_then(|end| end.get("content")).cloned();
        u32::from(content(before) != content(after))
    },
    consistent_within: Duration::from_secs(30),
};

fn undo(before: Option<&Attributes>, after: Option<&Attributes>) -> Undo {
    let flag = |name: &str| after.and_then(|end| end.get(name)).and_then(Value::as_bool) == Some(true);
    let content = before.and_then(|before| optional_text(before, "content"));
    let at_hand = content.is_some_and(|content| entries(after, "zips").any(|(known, _)| known == content));
    if at_hand || after.is_some_and(|after| after.contains_key("undo")) {
        return Undo::Faithful;
    }
    if flag("keep") {
        return Undo::Kept("the plan file says that the new code works with the password, too".to_owned());
    }
    let why = if after.is_some_and(|after| after.contains_key("command")) {
        "it has no `undo` command; add one, or keep = true if the new code works with the password, too".to_owned()
    } else {
        format!(
            "no zip of the plan file is what is deployed now, {}; name it with `previous`, or write keep = true if the \
             new code works with the password, too",
            content.unwrap_or("nothing")
        )
    };
    Undo::Never(why)
}

/// The two ways to deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Zip,
    Command,
}

impl Way {
    /// The way that wanted attributes or an end of a step say.
    fn of(attributes: &Attributes) -> Result<Self, Failure> {
        let has = |names: [&str; 2]| names.iter().any(|name| attributes.contains_key(*name));
        match (has(["zip", "zips"]), has(["command", "check"])) {
            (true, false) => Ok(Self::Zip),
            (false, true) => Ok(Self::Command),
            _ => Err(Failure::new(Class::Input, "a deployment has either a zip or a command")
                .remedy("write zip = \"app.zip\", or command = [\"...\"] with check = [\"...\"]")),
        }
    }
}

/// The same attributes with what is deployed.
fn with_content(attributes: &Attributes, content: Value) -> Attributes {
    let mut attributes = attributes.clone();
    attributes.insert("content".to_owned(), content);
    attributes
}

#[async_trait]
impl Kind for Deployment {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn behaviour(&self) -> Behaviour {
        behaviour::DEPLOYMENT
    }

    async fn read(&self, live: &Live, look: Look<'_>) -> Result<Reading, Failure> {
        match Way::of(look.attributes)? {
            Way::Zip => zip::read(live, &look).await,
            Way::Command => command::read(live, &look).await,
        }
    }

    async fn write(&self, live: &Live, step: &Step, watch: &dyn Watch) -> Result<Written, Failure> {
        let id = site_id(&step.key)?;
        let gone = || {
            Failure::new(Class::Input, "the code of an app cannot be taken away")
                .detail(id.to_string())
                .remedy("deploy other code instead")
        };
        let after = step.after.as_ref().ok_or_else(gone)?;
        match Way::of(after)? {
            Way::Zip => zip::write(live, &step.key, after, watch).await?,
            Way::Command => command::write(live, &step.key, after, watch).await?,
        }
        Ok(Written::Done)
    }
}
