//! One doomed file: looked at, decided about, removed.

use super::PruneFiles;
use crate::mirror::{Digest, FileId, MirrorError, Reader, Superseded};
use crate::model::{Claims, DoomedFile, PrunedFiles, RelPath};
use crate::plan::{Fate, archived_fate, mirrored_fate};
use crate::sync::Stop;
use tracing::{debug, warn};

/// What looks at the files and, unless this is a dry run, removes them.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    pub(super) files: PruneFiles,
    pub(super) stop: Stop,
}

/// What came of some files of the queue.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The numbers of those that are settled, whatever became of them.
    pub(super) settled: Vec<i64>,
    /// The number of the last one that was looked at.
    pub(super) last: Option<i64>,
    pub(super) files: PrunedFiles,
    /// The first trouble with a single file.
    pub(super) failed: Option<MirrorError>,
    /// Trouble that concerns every file; nothing more was tried.
    pub(super) trouble: Option<MirrorError>,
}

impl Hand {
    /// Settles files of the queue, one after the other, until a stop is asked for.
    pub(super) fn settle(&self, doomed: &[DoomedFile]) -> Done {
        self.each(doomed, |file, files| {
            self.mirrored(file, files)?;
            // Also for a file of the mirror: its bytes were archived if a new one took its path.
            self.archived(file, files)
        })
    }

    /// Looks at files of the mirror only.
    pub(super) fn look_at_mirror(&self, doomed: &[DoomedFile]) -> Done {
        self.each(doomed, |file, files| self.mirrored(file, files))
    }

    /// Looks at archived bytes only.
    pub(super) fn look_at_archive(&self, doomed: &[DoomedFile]) -> Done {
        self.each(doomed, |file, files| self.archived(file, files))
    }

    fn each(
        &self,
        doomed: &[DoomedFile],
        settle: impl Fn(&DoomedFile, &mut PrunedFiles) -> Result<(), MirrorError>,
    ) -> Done {
        let mut done = Done::default();
        for file in doomed {
            if self.stop.requested().is_some() {
                break;
            }
            done.last = Some(file.id);
            match settle(file, &mut done.files) {
                Ok(()) => done.settled.push(file.id),
                Err(err) if err.is_read_only() || err.is_device_failure() => {
                    done.trouble = Some(err);
                    break;
                }
                Err(err) => {
                    warn!(
                        "a file whose row is gone stays for now: {}",
                        crate::model::chain(&err)
                    );
                    done.files.failed += 1;
                    done.failed.get_or_insert(err);
                }
            }
        }
        done
    }

    fn reader(&self) -> &Reader {
        match &self.files {
            PruneFiles::Look(reader) => reader,
            PruneFiles::Remove(mirror) => mirror,
        }
    }

    /// Decides about the file at the doomed path, if there is one, and does it.
    fn mirrored(&self, file: &DoomedFile, files: &mut PrunedFiles) -> Result<(), MirrorError> {
        let Some((path, digest)) = parse(file).filter(|_| !file.claims.is_path_owned) else {
            return Ok(());
        };
        let Some(found) = self.reader().hash(&path)? else {
            return Ok(());
        };
        if found.sha256 != digest {
            // Nobody knows what this is: not the bytes whose time has come.
            warn!(asset.path = %path, "`{path}` stays: its bytes are not those that were recorded");
            files.left += 1;
            return Ok(());
        }
        let doomed = self.reader().which(&path)?;
        match mirrored_fate(&file.claims, || {
            self.is_elsewhere(&file.claims, &digest, doomed)
        })? {
            Fate::Keep => {}
            Fate::Remove => {
                debug!(asset.path = %path, "`{path}` goes from the mirror");
                if let PruneFiles::Remove(mirror) = &self.files {
                    mirror.remove(&path)?;
                }
                files.mirror += 1;
                files.bytes += found.bytes;
            }
            Fate::Archive => {
                debug!(asset.path = %path, "`{path}` moves to the archive: its bytes are needed");
                if let PruneFiles::Remove(mirror) = &self.files {
                    let sha256 = digest;
                    mirror.archive(&Superseded { path, sha256 })?;
                }
                files.moved += 1;
            }
        }
        Ok(())
    }

    /// Decides about archived bytes, if there are any, and does it.
    fn archived(&self, file: &DoomedFile, files: &mut PrunedFiles) -> Result<(), MirrorError> {
        let Ok(digest) = file.sha256.parse::<Digest>() else {
            return Ok(());
        };
        let Some(bytes) = self.reader().archived_length(&digest)? else {
            return Ok(());
        };
        let doomed = self.reader().which_archived(&digest)?;
        match archived_fate(&file.claims, || {
            self.is_mirrored(&file.claims, &digest, doomed)
        })? {
            Fate::Keep | Fate::Archive => {}
            Fate::Remove => {
                debug!("`{digest}` goes from the archive");
                if let PruneFiles::Remove(mirror) = &self.files {
                    mirror.remove_archived(&digest)?;
                }
                files.archive += 1;
                files.bytes += bytes;
            }
        }
        Ok(())
    }

    /// Reads whether there is another copy than the doomed one.
    fn is_elsewhere(
        &self,
        claims: &Claims,
        digest: &Digest,
        doomed: Option<FileId>,
    ) -> Result<bool, MirrorError> {
        let archived = self.reader().hash_archived(digest)?;
        if archived.is_some_and(|found| found.sha256 == *digest)
            && self.reader().which_archived(digest)? != doomed
        {
            return Ok(true);
        }
        self.is_mirrored(claims, digest, doomed)
    }

    /// Reads whether the mirror has the bytes where a row that stays says so, in another file than the doomed
    /// one: a folder that is a link to another makes two paths to one file.
    fn is_mirrored(
        &self,
        claims: &Claims,
        digest: &Digest,
        doomed: Option<FileId>,
    ) -> Result<bool, MirrorError> {
        for path in &claims.current_paths {
            let Ok(path) = RelPath::parse(path) else {
                continue;
            };
            // A file that cannot be read is no copy to rely on.
            if matches!(self.reader().hash(&path), Ok(Some(found)) if found.sha256 == *digest)
                && self.reader().which(&path)? != doomed
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The path and the digest of a file of the mirror. A text that is neither, which only a person can have
/// written into the database, names no file of ours.
fn parse(file: &DoomedFile) -> Option<(RelPath, Digest)> {
    let path = RelPath::parse(file.path.as_ref()?).ok()?;
    let digest = file.sha256.parse().ok()?;
    Some((path, digest))
}
