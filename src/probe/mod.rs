//! Probes: HTTP requests against the app, and what their answers should hold.

mod expect;
mod web;

pub use expect::{complaint, lookup};
pub use web::{Page, Web};
