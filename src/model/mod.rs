//! The nouns every room shares: addresses, values, resources, schemas, the graph, findings, failures. Pure.

mod address;
mod attributes;
mod failure;
mod finding;
mod graph;
mod privileges;
mod resource;
mod schema;
mod secret;
mod span;
mod store_url;
mod suggest;
mod target;
mod unsafe_text;
mod value;

pub use address::Address;
pub use attributes::Attributes;
pub use failure::{Class, Failure, Flaw, Flaws};
pub use finding::{Finding, Place, Severity};
pub use graph::{Cycle, Graph};
pub use privileges::privilege_words;
pub use resource::{Desired, Look, Observed, Purpose, Reading, State, Step, Undo, Unreadable, WHOLE};
pub use schema::{Check, Field, Nature, Output, Schema, Type};
pub use secret::{Digester, Secret, SecretSource, hex, looks_secret, secret_name};
pub use span::{duration, in_words, moment};
pub(crate) use store_url::decode as percent_decode;
pub use store_url::{BlobPlace, BlobService, PostgresPlace, STORE_SCHEMA, StoreUrl};
pub use suggest::closest;
pub use target::{Auth, Cloud, ConnectionTarget, Endpoints, ServerTarget, Target, Tls};
pub use unsafe_text::{is_unsafe, written_out};
pub use value::{Letters, Ref, SecretValue, Value, agrees, agrees_all};
