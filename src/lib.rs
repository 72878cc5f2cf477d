//! pgentra moves Azure apps from PostgreSQL passwords to managed identity, as code, with proof.
//!
//! This is the map of the house. One TOML *plan file* says what should be true in Azure and in PostgreSQL; pgentra shows
//! the difference, and makes it true.
//!
//! # The walk
//!
//! What `apply` does, from the text to the world. [`pipeline`] is this walk as code; nothing flows back.
//!
//! 1. [`cli`] reads the arguments, finds the plan file and builds the clients.
//! 2. [`plan`] turns the text into desired resources and their graph, or into findings, all of them at once.
//! 3. [`engine`] looks at every resource, as many at a time as allowed; [`resources`] knows how, kind by kind.
//! 4. [`diff`] compares desired and observed: the change set, and from it the steps, each with both of its ends.
//! 5. [`report`] shows the change set, and somebody approves it.
//! 6. [`store`] gives the lock; from here on every event is durable in the [`journal`] before it counts.
//! 7. [`engine`] runs the steps by the graph. Before each write it looks again and settles: already done, to be done, or
//!    somebody else's change, which is never overwritten. After each write it looks once more whether it held.
//! 8. What could not be read before is planned now, shown, and approved like the rest: back to 3.
//! 9. If a step failed, the run is undone: the same steps with their ends swapped, backwards.
//! 10. [`report`] says what came of it, and the exit code says it to programs.
//!
//! # The rooms
//!
//! | room | what it is for | may import |
//! |---|---|---|
//! | `model` | nouns: address, value, secret, resource, schema, graph, finding, failure | nothing |
//! | `plan` | text to checked resources | `model` |
//! | `diff` | desired and observed to change set and steps; the rule that settles a step | `model` |
//! | `journal` | events, the table of legal moves, where each step of a run stands | `model` |
//! | `evidence` | observations, the signed ledger, when a gate opens and why not | `model` |
//! | `report` | one page: terminal, JSON, Markdown, HTML | `model`, `diff`, `journal`, `evidence` |
//! | `azure` | tokens, and a thin typed client of the Resource Manager | `model` |
//! | `postgres` | sessions, one look at the catalog, every statement built and quoted | `model` |
//! | `probe` | HTTP checks of the app | `model` |
//! | `resources` | one file per kind: its schema, read, write; the register; a world in memory | `model`, `azure`, `postgres`, `probe`, `evidence` |
//! | `store` | where journals, evidence and the lock live | `model`, `journal`, `evidence`, `azure`, `postgres` |
//! | `engine` | looks, runs, walks back: the only code that moves anything | `model`, `diff`, `journal`, `resources`, `store` |
//! | `pipeline` | the walk | all above but `report` |
//! | `sandbox` | a local Azure, a PostgreSQL that takes tokens, a demo app | `model`, and nothing that it is there to test |
//! | `cli` | arguments, exit codes; prints and builds clients | everything |
//!
//! `model`, `plan`, `diff`, `journal`, `evidence` and `report` only compute: no I/O, clock, environment, randomness or async. A test
//! of the repository (`tests/house`) holds the source against this table.
//!
//! # Invariants
//!
//! - A kind has two calls that touch the world, `read` and `write`. Everything else about it is data or pure.
//! - Undo is the same step with its ends swapped. Repeating, resuming after a crash, applying a saved plan and walking
//!   back are the same move.
//! - The live system is the only state. There is no state file: only journals, and the list of what runs have made.
//! - No step begins before "started" is durable, and none counts before "done" is. One table says which event may follow
//!   which; anything else is a corrupt journal, reported and never guessed at.
//! - A value that is known only after apply equals nothing and never reaches a kind.
//! - Writes with the same serial key (a server's control plane, a site with its slots, a database) never overlap.
//! - Planning changes nothing, anywhere.
//! - A secret has no `Display`, is zeroed when dropped, and stands in no step, journal, report, log or error.
//! - A name from outside becomes SQL only through the quoting of [`postgres`], and text only through the cleaning of
//!   [`report`].
//! - The same plan file and the same world give the same bytes in every report.

pub mod azure;
pub mod cli;
pub mod diff;
pub mod engine;
pub mod evidence;
pub mod journal;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod postgres;
pub mod probe;
pub mod report;
pub mod resources;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod store;
