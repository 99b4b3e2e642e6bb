//! Putting right what was lost, from another copy that is here. Copies, no second names: what one of
//! them may suffer later shall not be the other's.

use cap_std::fs::File;

use super::{Living, New, Published, Source, Superseded};
use crate::mirror::digest::Digest;
use crate::mirror::error::MirrorError;
use crate::mirror::open::Mirror;
use crate::mirror::read::{hash_file, regular_at};
use crate::model::path::RelPath;

impl Mirror {
    /// Puts archived bytes back at `path` and returns once that will survive a power cut. What is there
    /// goes to the archive first. `None`, and nothing changed, if the archive has not these very bytes.
    ///
    /// # Errors
    /// As `Finished::publish`. Repeating it is safe.
    pub fn restore_archived(
        &self,
        digest: &Digest,
        path: &RelPath,
    ) -> Result<Option<Published>, MirrorError> {
        let Some(file) = self.open_archived(digest)? else {
            return Ok(None);
        };
        self.restore(File::from_std(file), digest, path)
    }

    /// As [`Mirror::restore_archived`], from another file of the mirror, which stays.
    ///
    /// # Errors
    /// As `Finished::publish`. Repeating it is safe.
    pub fn restore_copy(
        &self,
        from: &Superseded,
        path: &RelPath,
    ) -> Result<Option<Published>, MirrorError> {
        let Some(file) = self.open_file(&from.path)? else {
            return Ok(None);
        };
        self.restore(File::from_std(file), &from.sha256, path)
    }

    /// As [`Mirror::restore_archived`], from a file of the mirror that is nobody's and may have a name that no medium can
    /// have. It stays.
    ///
    /// # Errors
    /// As `Finished::publish`. Repeating it is safe.
    pub fn restore_stranger(
        &self,
        from: &str,
        digest: &Digest,
        path: &RelPath,
    ) -> Result<Option<Published>, MirrorError> {
        let opened = regular_at(self.root(), from).map_err(MirrorError::io("open", from))?;
        match opened {
            Some(file) => self.restore(file, digest, path),
            None => Ok(None),
        }
    }

    /// Copies the bytes of a file of the mirror that is nobody's to the archive; the file stays. `false`, and nothing changed,
    /// if it has not these very bytes.
    ///
    /// # Errors
    /// When they cannot be kept. Repeating it is safe.
    pub fn archive_stranger(&self, from: &str, digest: &Digest) -> Result<bool, MirrorError> {
        let failed = || MirrorError::io("read", from);
        let Some(mut file) = regular_at(self.root(), from).map_err(failed())? else {
            return Ok(false);
        };
        if hash_file(&mut file).map_err(failed())?.sha256 != *digest {
            return Ok(false);
        }
        self.inner.archive.keep_copy(&file, *digest)
    }

    /// Moves a file of the mirror that is nobody's to the archive, by a copy: it may be a name of a file that somebody goes on
    /// writing to. `false`, and the file stays, if the path does not hold these bytes, also at a second look.
    ///
    /// # Errors
    /// When it cannot be kept, or its name not be removed. Repeating it is safe.
    pub fn set_aside(&self, file: &Superseded) -> Result<bool, MirrorError> {
        if !self.archive_stranger(file.path.as_str(), &file.sha256)? {
            return Ok(false);
        }
        let in_the_archive = Living {
            sha256: file.sha256,
            found_at: None,
        };
        self.inner.retire(file, Some(in_the_archive))?;
        let left = regular_at(self.root(), file.path.as_str());
        Ok(left
            .map_err(MirrorError::io("look at", &file.path))?
            .is_none())
    }

    /// Keeps a file's bytes in the archive as well; the file stays. Damaged bytes that are in their
    /// place there move to the name of their own digest. `false`, and nothing changed, if the file has
    /// other bytes by now.
    ///
    /// # Errors
    /// When they cannot be kept. Repeating it is safe.
    pub fn keep_archived(&self, file: &Superseded) -> Result<bool, MirrorError> {
        let failed = || MirrorError::io("read", &file.path);
        let (parent, name) = file.path.split();
        let inner = &self.inner;
        let (Some(folder), Some(opened)) = (
            inner.tree.existing(parent).map_err(failed())?,
            self.open_file(&file.path)?,
        ) else {
            return Ok(false);
        };
        let mut opened = File::from_std(opened);
        let found = hash_file(&mut opened).map_err(failed())?.sha256;
        if found != file.sha256 {
            return Ok(false);
        }
        inner.archive.keep(&folder, name, &opened, found)?;
        Ok(true)
    }

    fn restore(
        &self,
        mut file: File,
        digest: &Digest,
        path: &RelPath,
    ) -> Result<Option<Published>, MirrorError> {
        let inner = &self.inner;
        let found = hash_file(&mut file).map_err(MirrorError::io("read", digest))?;
        if found.sha256 != *digest {
            return Ok(None);
        }
        let mut copy = inner
            .temp
            .copy(&file)
            .map_err(MirrorError::io("write a temporary file for", path))?;
        let new = New {
            path,
            sha256: *digest,
            bytes: found.bytes,
        };
        // What was saved there, whatever it looks like now.
        let old = Superseded {
            path: path.clone(),
            sha256: *digest,
        };
        let published = inner.publish(Source::Temp(&mut copy), new, Some(&old))?;
        Ok(Some(published))
    }
}
