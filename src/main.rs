//! Ends the process with the exit code; nothing else.

fn main() {}
