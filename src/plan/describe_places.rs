//! `[server.x.firewall.y]` and `[database.x]`, described once for the checker, the JSON Schema and the reference page.

use super::names;
use crate::model::{Field, Type};

/// One rule of `[server.x.firewall.y]`.
pub(super) const FIREWALL: &[Field] = &[
    Field::new("ip", Type::Text, "One address.").checked(names::address_v4),
    Field::new("start", Type::Text, "The first address of a range.").checked(names::address_v4),
    Field::new("end", Type::Text, "The last address of a range.").checked(names::address_v4),
    Field::new("azure_services", Type::Bool, "`true` for every service in Azure, whoever runs it."),
];

/// `[database.x]`.
pub(super) const DATABASE: &[Field] = &[
    Field::new("name", Type::Text, "Name of the database. Default: the label.").checked(names::identifier),
    Field::new("server", Type::Text, "Label of the `[server]` table it lives on.").required(),
    Field::new(
        "owner",
        Type::Text,
        "The role that owns it: a name, or `{ ref = \"role.x.name\" }`. Default: Azure's choice.",
    )
    .or_reference(),
    Field::new("charset", Type::Text, "Character set, fixed once the database is made. Default: the server's."),
    Field::new("collation", Type::Text, "Collation, fixed once the database is made. Default: the server's."),
    Field::new("schema", Type::Map(&Type::Table(SCHEMA)), "Schemas of the database, by label."),
    super::describe::EXTENDS,
    super::describe::FOR_EACH,
    super::describe::AFTER,
];

const SCHEMA: &[Field] = &[
    Field::new("name", Type::Text, "Name of the schema. Default: the label.").checked(names::identifier),
    Field::new(
        "owner",
        Type::Text,
        "The role that owns it: a name, or `{ ref = \"role.x.name\" }`. Default: whoever makes it.",
    )
    .or_reference(),
];
