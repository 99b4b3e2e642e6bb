//! The promises of the whole, held from outside.

// `cfg(test)` always holds here; written out, it lets clippy know that helpers are tests too.
#[cfg(test)]
mod migrations;
