//! Tests of the fold: where each step of a journal stands.
