//! Tests of `deployment`.
