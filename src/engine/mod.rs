//! The only code that moves anything: looks at resources, runs steps by the graph, and walks them back.

mod chronicle;
mod observe;
mod run;
mod undo;
mod walk;

pub use chronicle::{Chronicle, Listener, Silent};
pub use observe::observe;
pub use run::{Ran, Stop, run};
pub use undo::undo;
pub use walk::{is_before, misfit, walk_back};
