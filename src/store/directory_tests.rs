//! Tests of the store that is a directory.
