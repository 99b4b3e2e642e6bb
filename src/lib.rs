//! Keeps a complete, proven copy of a microCMS service.

pub mod mirror;
pub mod model;
