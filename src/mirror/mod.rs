//! The files: written whole or not at all, known by their digest, never lost.
//!
//! The only room that writes media. [`Mirror`] saves, [`Reader`] looks. A file becomes visible only when its
//! bytes are complete and on the disk; what it takes the place of moves to the archive first, under the SHA-256 of its bytes.
//! Everything is opened relative to a folder handle, and no symbolic link in the mirror is followed when writing.
//!
//! This room does not know which file belongs to which medium, why it is wanted, or where it comes from. There is one
//! writer at a time: the caller holds the run's lock. The code blocks; asynchronous callers use a blocking thread.

mod archive;
mod digest;
mod disk;
mod error;
mod flush;
mod folders;
mod glances;
mod inspect;
mod open;
mod partial;
mod publish;
mod read;
mod rehearse;
mod steps;
mod temp;
mod tree;

pub use digest::Digest;
pub use disk::{Disk, disk, may_write, may_write_file};
pub use error::MirrorError;
pub use glances::Glances;
pub use inspect::{Heed, Lying};
pub use open::{Mirror, Options};
pub use partial::{Expect, Finished, Kept, Partial};
pub use publish::{Entry, Published, Superseded};
pub use read::{FileId, Found, Hashed, Reader, Scan, Space};
pub use tree::{Added, MANIFEST, Source, TreeCopy};

#[cfg(test)]
mod tests;
