//! The only code that moves anything: looks at resources, runs steps by the graph, and walks them back.

mod chronicle;
mod executor;
mod fill;
mod observe;
mod run;
mod task;
mod unit;
mod walk;

pub use chronicle::{Chronicle, Listener, Silent};
pub use fill::filled;
pub use observe::observe;
pub use run::{Ran, Rules, Stop, Way, run};
pub use task::{Doubt, Stay, Task, back, given, rest};
pub use unit::{Scope, unit};
pub use walk::{Fit, fit};
