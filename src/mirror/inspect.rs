//! A close look at what lies in a file's place, and a reading of it that can be slowed down and ended.

use std::io;

use cap_std::fs::Dir;

use super::digest::Digest;
use super::error::MirrorError;
use super::folders::open_folder;
use super::read::{Hashed, Reader, archived_path, hash_file_heeding, is_missing, regular_at};
use crate::model::RelPath;

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lying {
    /// Nothing.
    Nothing,
    /// A regular file of so many bytes.
    File(u64),
    /// Something else, in words.
    Other(&'static str),
}

/// Hears of the bytes that were read, and may wait, or end the reading with an error.
pub type Heed<'a> = &'a mut dyn FnMut(usize) -> io::Result<()>;

impl Reader {
    /// Looks at what lies at a path, without reading it. Symbolic links are not followed.
    ///
    /// # Errors
    /// When the disk cannot tell: then nothing may be concluded.
    pub fn lying(&self, path: &RelPath) -> Result<Lying, MirrorError> {
        lying_at(self.root(), path.as_str()).map_err(MirrorError::io("look at", path))
    }

    /// As [`Reader::lying`], for archived bytes.
    ///
    /// # Errors
    /// When the disk cannot tell.
    pub fn archived_lying(&self, digest: &Digest) -> Result<Lying, MirrorError> {
        match self.archive() {
            Some(archive) => lying_at(archive, &archived_path(digest))
                .map_err(MirrorError::io("look at archive file", digest)),
            None => Ok(Lying::Nothing),
        }
    }

    /// As [`Reader::hash`]; `heed` hears of each piece.
    ///
    /// # Errors
    /// When the file cannot be read, or `heed` ended it.
    pub fn hash_heeding(
        &self,
        path: &RelPath,
        heed: Heed<'_>,
    ) -> Result<Option<Hashed>, MirrorError> {
        hash_at(self.root(), path.as_str(), heed)
    }

    /// As [`Reader::hash_heeding`], of a file that may have a name that no medium can have.
    ///
    /// # Errors
    /// When the file cannot be read, or `heed` ended it.
    pub fn hash_stranger(&self, path: &str, heed: Heed<'_>) -> Result<Option<Hashed>, MirrorError> {
        hash_at(self.root(), path, heed)
    }

    /// As [`Reader::hash_archived`]; `heed` hears of each piece.
    ///
    /// # Errors
    /// When the file cannot be read, or `heed` ended it.
    pub fn hash_archived_heeding(
        &self,
        digest: &Digest,
        heed: Heed<'_>,
    ) -> Result<Option<Hashed>, MirrorError> {
        match self.archive() {
            Some(archive) => hash_at(archive, &archived_path(digest), heed),
            None => Ok(None),
        }
    }
}

fn lying_at(root: &Dir, path: &str) -> io::Result<Lying> {
    let found = match path.rsplit_once('/') {
        // The folder is opened without following a link that took its place.
        Some((folder, name)) => {
            open_folder(root, folder).and_then(|folder| folder.symlink_metadata(name))
        }
        None => root.symlink_metadata(path),
    };
    match found {
        Ok(found) if found.is_file() => Ok(Lying::File(found.len())),
        Ok(found) if found.is_symlink() => Ok(Lying::Other("a symbolic link")),
        Ok(found) if found.is_dir() => Ok(Lying::Other("a folder")),
        Ok(_) => Ok(Lying::Other("neither a file nor a folder")),
        Err(error) if is_missing(&error) => Ok(Lying::Nothing),
        Err(error) => Err(error),
    }
}

fn hash_at(root: &Dir, path: &str, heed: Heed<'_>) -> Result<Option<Hashed>, MirrorError> {
    let failed = || MirrorError::io("read", path);
    match regular_at(root, path).map_err(failed())? {
        Some(mut file) => hash_file_heeding(&mut file, heed)
            .map(Some)
            .map_err(failed()),
        None => Ok(None),
    }
}
