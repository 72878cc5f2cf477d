//! `[app.x.deployment]`, described once for the checker, the JSON Schema and the reference page.

use super::names;
use crate::model::{Field, Type};

const WORDS: Type = Type::List(&Type::Text);

/// The table of a deployment.
pub(super) const DEPLOYMENT: &[Field] = &[
    Field::new("zip", Type::Text, "The zip with the app's code, beside the plan file. Either this or `command`.")
        .checked(names::some),
    Field::new(
        "previous",
        Type::Text,
        "The zip that is deployed now. When it is what pgentra published last, the deployment can be undone.",
    )
    .checked(names::some),
    Field::new(
        "build",
        Type::Bool,
        "Whether Flex Consumption builds the code, as it has to for Python. Default: false.",
    ),
    Field::new(
        "command",
        WORDS,
        "A program with its arguments that deploys the code, run beside the plan file; it may be run again.",
    ),
    Field::new("undo", WORDS, "The program that brings back what was deployed before `command`."),
    Field::new(
        "check",
        WORDS,
        "The program that exits with 0 where the code of `command` is deployed. Required with `command`; `plan` runs it.",
    ),
    Field::new("version", Type::Text, "What the first line of the check's output has to be."),
    Field::new("env", WORDS, "Environment variables that the programs get besides PATH, HOME and a few more.")
        .checked(names::env),
    Field::new("timeout", Type::Duration, "How long one of the programs may take. Default: `15m`."),
    Field::new(
        "keep",
        Type::Bool,
        "Leave the new code in place when a run is undone, as it works with the password, too. Default: false.",
    ),
];
