//! The rules of the house, held against the source, the plan files, the SQL files and the documents.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its own repository has failed")]

mod commands;
mod failures;
mod files;
mod kinds;
mod messages;
mod pages;
mod plans;
mod readme;
mod rooms;
mod source;
mod texts;
mod words;
