//! What the service holds, and how edits change it.

pub(crate) mod bodies;
pub(crate) mod contents;
mod edit_contents;
mod edit_media;
pub(crate) mod edits;
pub(crate) mod media;
pub(crate) mod medium;
pub(crate) mod rights;
pub(crate) mod schema;
pub(crate) mod world;

pub(crate) use world::World;
