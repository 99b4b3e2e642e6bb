//! Whole bytes in files of the mirror that no row knows: somebody moved a file by hand, or a run was killed before it wrote
//! its row. What is lost may lie there, so it is looked for there before it is called lost.
//!
//! The files are listed once, when something is lost for the first time, and only those are read that have its length.

use super::eye::{Eye, Wanted};
use super::{BATCH, Verify};
use crate::mirror::{Digest, MANIFEST};
use crate::model::chain;
use crate::store;
use crate::sync::VerifyError;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Files that are listed at most. More are no accident but another backup's mirror, and memory is bounded.
const MOST: usize = 100_000;

/// The list, once it is there.
pub(super) type List = Arc<Mutex<Option<Unclaimed>>>;

/// Files that no row knows.
#[derive(Debug, Default)]
pub(super) struct Unclaimed {
    files: Vec<File>,
    /// Why not all of them are in the list.
    gap: Option<String>,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    bytes: u64,
    /// `None`: it was not read yet.
    sha256: Option<Digest>,
}

/// What came of looking for bytes.
pub(super) enum Found {
    /// The file of the mirror that has them.
    File(String),
    /// No such file has them.
    Nothing,
    /// One may have them and could not be read, in words.
    Untold(String),
}

/// Looks for bytes among the files that no row knows.
pub(super) async fn find(verify: &Verify, wanted: Wanted) -> Result<Found, VerifyError> {
    let Some(eye) = verify.eye() else {
        return Ok(Found::Nothing);
    };
    let list = Arc::clone(&verify.unclaimed);
    let (database, service) = (
        verify.options.database.clone(),
        verify.options.service.clone(),
    );
    // It walks folders and asks the database in turns, so it has a thread of its own.
    let found = crate::blocking::run(move || {
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        let unclaimed = match list.as_mut() {
            Some(unclaimed) => unclaimed,
            None => list.insert(Unclaimed::read(&eye, &database, &service)?),
        };
        Ok(unclaimed.find(&eye, &wanted))
    });
    found.await?
}

impl Unclaimed {
    fn read(eye: &Eye, database: &Path, service: &str) -> Result<Self, VerifyError> {
        let mut unclaimed = Self::default();
        let mut scan = eye.reader.scan();
        loop {
            let (mut batch, mut taken) = (Vec::with_capacity(BATCH), 0);
            for found in scan.by_ref().take(BATCH) {
                taken += 1;
                match found {
                    Ok(found) => {
                        let bytes = found.bytes;
                        batch.extend(bytes.map(|bytes| File::new(found.path, bytes)));
                    }
                    // At the top of a file system that is the mirror, for root alone.
                    Err(err) if chain(&err).contains("`lost+found`") => {}
                    Err(err) => unclaimed.gap = Some(chain(&err)),
                }
            }
            if taken == 0 {
                return Ok(unclaimed);
            }
            if eye.pace.is_stopping() {
                unclaimed.gap = Some("it was stopped before".to_owned());
                return Ok(unclaimed);
            }
            let paths: Vec<String> = batch
                .iter()
                .filter_map(|file| file.path.to_str().map(str::to_owned))
                .collect();
            let strange = store::view(database, service, |store| store.strange_paths(&paths))?;
            let strange: HashSet<String> = strange.unwrap_or_default().into_iter().collect();
            unclaimed
                .files
                .extend(batch.into_iter().filter(|file| file.is_among(&strange)));
            if unclaimed.files.len() > MOST {
                unclaimed.files.truncate(MOST);
                unclaimed.gap = Some(format!("there are more than {MOST}"));
                return Ok(unclaimed);
            }
        }
    }

    fn find(&mut self, eye: &Eye, wanted: &Wanted) -> Found {
        let fits = |file: &&mut File| wanted.bytes.is_none_or(|bytes| bytes == file.bytes);
        let mut untold = self
            .gap
            .as_ref()
            .map(|why| format!("not every file that no row knows was looked through: {why}"));
        for file in self.files.iter_mut().filter(fits) {
            match file.digest(eye) {
                Ok(Some((path, digest))) if digest == wanted.sha256 => return Found::File(path),
                Ok(_) => {}
                Err(why) => {
                    untold = Some(format!(
                        "`mirror/{}` may have these bytes, and {why}: see to that, or move it away",
                        file.path.display()
                    ));
                }
            }
        }
        untold.map_or(Found::Nothing, Found::Untold)
    }
}

impl File {
    fn new(path: PathBuf, bytes: u64) -> Self {
        Self {
            path,
            bytes,
            sha256: None,
        }
    }

    /// Whether it is one that no row knows. A row's path is text, and the list of digests that a copy of the mirror has is
    /// nobody's file.
    fn is_among(&self, strange: &HashSet<String>) -> bool {
        match self.path.to_str() {
            Some(path) => path != MANIFEST && strange.contains(path),
            None => true,
        }
    }

    /// Returns its path as text and its digest; `None` if it is not there any more, or in words why it cannot be read.
    fn digest(&mut self, eye: &Eye) -> Result<Option<(String, Digest)>, String> {
        let Some(path) = self.path.to_str() else {
            return Err("its name is no text".to_owned());
        };
        if let Some(sha256) = self.sha256 {
            return Ok(Some((path.to_owned(), sha256)));
        }
        let heed = &mut |bytes| eye.pace.heed(bytes);
        let hashed = eye.reader.hash_stranger(path, heed);
        let hashed = hashed.map_err(|err| format!("cannot be read ({})", chain(&err)))?;
        eye.pace.read_one();
        self.sha256 = hashed.map(|hashed| hashed.sha256);
        Ok(self.sha256.map(|sha256| (path.to_owned(), sha256)))
    }
}
