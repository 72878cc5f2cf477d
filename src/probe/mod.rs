//! Probes: HTTP requests against the app, and what their answers should hold.

mod expect;
mod template;
mod web;

pub use expect::{complaint, lookup};
pub use template::{fill, places};
pub use web::{Ask, Page, Web};
