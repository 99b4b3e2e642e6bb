//! Runs the stand-in service alone.
fn main() {}
