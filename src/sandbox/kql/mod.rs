//! A small part of the Kusto query language, enough for the queries that people monitor such migrations by.

mod eval;
mod lexer;
mod parser;

pub use eval::{Context, run};
pub use parser::parse;

#[cfg(test)]
mod tests;
