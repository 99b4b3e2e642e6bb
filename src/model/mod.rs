//! The words: values with invariants, parsed once at the border.
//!
//! Nothing here touches a socket, a file, a database, a clock, a runtime or a logger.

pub mod path;
pub mod sniff;
