//! Files that nobody knows. They are named and never touched: a person put them there, or an accident. Only one that lies where
//! a file of ours was before, and was damaged when that left, moves to the archive in a repair.
//!
//! What a run has put in place and not written down yet is no stranger, nor is what `prune` has yet to
//! look at. The archive may hold bytes that no version needs (a crash leaves some, a repair does): they
//! prove themselves by their names.

use super::eye::{Eye, Look, Place, Wanted};
use super::{BATCH, Verify, VerifyError};
use crate::mirror::{Digest, Found, MANIFEST, MirrorError, Superseded};
use crate::model::{Difference, DifferenceKind, RelPath, Repair, chain};
use crate::store::{self, Store, StoreError};
use crate::sync::download::{places, safe_path};
use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;

pub(super) async fn part(verify: &Arc<Verify>) -> Result<(), VerifyError> {
    let Some(eye) = verify.eye() else {
        return Ok(());
    };
    let search = Search {
        verify: Arc::clone(verify),
        eye,
    };
    // It walks folders and asks the database in turns, so it has a thread of its own.
    crate::blocking::run(move || {
        search.mirror()?;
        search.archive()
    })
    .await?
}

/// What becomes of a file that no row knows.
struct Fate {
    /// What was done, if anything could be.
    repair: Option<Repair>,
    /// What is left to be done, or what was.
    remedy: Cow<'static, str>,
}

const YOURS: Fate = Fate {
    repair: None,
    remedy: Cow::Borrowed(
        "look at it, and move it away if it is not yours; this program does not touch it",
    ),
};

const LEFT: Fate = Fate {
    repair: None,
    remedy: Cow::Borrowed(
        "it lies where a file of this backup was before: `verify --repair` moves it to the archive",
    ),
};

/// So many strangers are looked at again together: whose they were, only the whole history tells.
const TOGETHER: usize = 64 * BATCH;

/// Files by their paths, with their lengths; `None` of what is no file.
type Files = Vec<(String, Option<u64>)>;

struct Search {
    verify: Arc<Verify>,
    eye: Eye,
}

impl Search {
    fn mirror(&self) -> Result<(), VerifyError> {
        let mut batch = Vec::with_capacity(BATCH);
        let mut strange = Vec::new();
        for found in self.eye.reader.scan() {
            if self.verify.is_stopping() {
                return Ok(());
            }
            match self.readable("mirror", found) {
                Some(found) => match found.path.to_str() {
                    // A copy that `snapshot` made is the mirror now, with its list of digests.
                    Some(MANIFEST) => continue,
                    Some(path) => batch.push((path.to_owned(), found.bytes)),
                    None => self.stranger("mirror", &found.path, found.bytes, &YOURS),
                },
                None => continue,
            }
            if batch.len() >= BATCH {
                strange.extend(self.sift(std::mem::take(&mut batch))?);
            }
            if strange.len() >= TOGETHER {
                self.judge(&std::mem::take(&mut strange))?;
            }
        }
        strange.extend(self.sift(batch)?);
        self.judge(&strange)
    }

    /// Returns those of the files that no row knows.
    fn sift(&self, mut batch: Files) -> Result<Files, VerifyError> {
        let paths = paths(&batch);
        let strange = self.ask(|store| store.strange_paths(&paths))?;
        let strange: HashSet<&str> = strange.iter().map(String::as_str).collect();
        batch.retain(|(path, _)| strange.contains(path.as_str()));
        Ok(batch)
    }

    /// Names those of the files that no row knows at a second look either, and that are still there.
    fn judge(&self, files: &Files) -> Result<(), VerifyError> {
        if files.is_empty() {
            return Ok(());
        }
        let paths = paths(files);
        // Of one moment: a file that comes is either owed still or in its row.
        let (strange, former, expected) = self.ask(|store| {
            let strange = store.strange_paths(&paths)?;
            let former = store.former_paths(&strange)?;
            Ok((strange, former, Expected::read(store)?))
        })?;
        let strange: HashSet<&str> = strange.iter().map(String::as_str).collect();
        let former: HashSet<&str> = former.iter().map(String::as_str).collect();
        for (path, bytes) in files {
            if strange.contains(path.as_str()) && !expected.holds(path) && self.is_there(path) {
                let is_ours = bytes.is_some() && former.contains(path.as_str());
                let fate = if is_ours { self.set_aside(path) } else { YOURS };
                self.stranger("mirror", Path::new(path), *bytes, &fate);
            }
        }
        Ok(())
    }

    /// Moves what was left at a path of the past to the archive, under the digest that it has, if this is a repair.
    fn set_aside(&self, path: &str) -> Fate {
        let Some(hand) = &self.verify.rooms.hand else {
            return LEFT;
        };
        let moved = || {
            let path = RelPath::parse(path).ok()?;
            let found = match self.eye.reader.hash(&path) {
                Ok(found) => found?.sha256,
                Err(err) => return Some(Err(err)),
            };
            let left = Superseded {
                path,
                sha256: found,
            };
            let set_aside = hand.mirror.set_aside(&left);
            Some(set_aside.map(|is_aside| is_aside.then_some(found)))
        };
        match moved() {
            Some(Ok(Some(digest))) => Fate {
                repair: Some(Repair::SetAside),
                remedy: format!("in the archive now, as {digest}").into(),
            },
            Some(Ok(None)) => Fate {
                repair: Some(Repair::Failed),
                remedy: "it changed meanwhile: verify again".into(),
            },
            Some(Err(err)) => Fate {
                repair: Some(Repair::Failed),
                remedy: chain(&err).into(),
            },
            None => YOURS,
        }
    }

    /// Whether the file is there still. After the look at the rows: whoever removes a file does it before
    /// it forgets it.
    fn is_there(&self, path: &str) -> bool {
        // A path that no medium can have was not removed by a run.
        RelPath::parse(path).map_or(true, |path| {
            !matches!(
                self.eye.reader.lying(&path),
                Ok(crate::mirror::Lying::Nothing)
            )
        })
    }

    fn archive(&self) -> Result<(), VerifyError> {
        let mut batch = Vec::with_capacity(BATCH);
        for found in self.eye.reader.scan_archive() {
            if self.verify.is_stopping() {
                return Ok(());
            }
            let Some(found) = self.readable("archive", found) else {
                continue;
            };
            match archived(&found.path) {
                Some(digest) => batch.push(digest),
                None => self.stranger("archive", &found.path, found.bytes, &YOURS),
            }
            if batch.len() >= BATCH {
                self.spare(std::mem::take(&mut batch))?;
            }
        }
        self.spare(batch)
    }

    /// Looks at archived bytes that no version needs. The needed ones were looked at.
    fn spare(&self, batch: Vec<Digest>) -> Result<(), VerifyError> {
        let digests: Vec<String> = batch.iter().map(Digest::to_string).collect();
        let needed = self.ask(|store| store.needed_bytes_of(&digests))?;
        let needed: HashSet<String> = needed.into_iter().map(|bytes| bytes.sha256).collect();
        for digest in batch {
            let name = digest.to_string();
            if needed.contains(&name) {
                continue;
            }
            let wanted = Wanted {
                bytes: None,
                sha256: digest,
            };
            let look = || {
                let reads = self.eye.slice.holds(&name);
                self.eye.look(Place::Archive(&digest), &wanted, reads)
            };
            // Twice where it looks wrong: `prune` may be at it.
            let looked = match look() {
                Look::Wrong(_) => look(),
                clear @ (Look::Right | Look::Stopped) => clear,
            };
            match looked {
                Look::Stopped => return Ok(()),
                Look::Right => {
                    let mut sheet = self.verify.sheet();
                    sheet.archive.checked += 1;
                    sheet.archive.good += 1;
                }
                Look::Wrong(wrong) if wrong.kind == DifferenceKind::Missing => {}
                Look::Wrong(wrong) => {
                    let place = format!("archive/{}", place_of(&name));
                    self.name(wrong.kind, place, &wanted.words(), wrong.found);
                }
            }
        }
        Ok(())
    }

    /// Returns what a scan found, or names the folder that cannot be read.
    fn readable(&self, root: &str, found: Result<Found, MirrorError>) -> Option<Found> {
        match found {
            Ok(found) => Some(found),
            Err(err) => {
                let text = chain(&err);
                // At the top of a file system that is the mirror, for root alone.
                if !text.contains("`lost+found`") {
                    let (kind, place) = (DifferenceKind::Unreadable, root.to_owned());
                    self.count(root);
                    self.tell(
                        kind,
                        "a folder",
                        place,
                        "a folder that can be read",
                        text,
                        &YOURS,
                    );
                }
                None
            }
        }
    }

    fn stranger(&self, root: &str, path: &Path, bytes: Option<u64>, fate: &Fate) {
        let place = format!("{root}/{}", path.display());
        self.count(root);
        self.tell(
            DifferenceKind::Unknown,
            "a file that no row knows",
            place,
            "nothing",
            match bytes {
                Some(bytes) => format!("{bytes} bytes"),
                None => {
                    "a link, which is not followed, or another thing that is no file".to_owned()
                }
            },
            fate,
        );
    }

    fn count(&self, root: &str) {
        let mut sheet = self.verify.sheet();
        let checked = match root {
            "mirror" => &mut sheet.mirror,
            _ => &mut sheet.archive,
        };
        checked.checked += 1;
        checked.different += 1;
    }

    fn name(&self, kind: DifferenceKind, place: String, expected: &str, found: String) {
        self.count("archive");
        self.tell(
            kind,
            "archived bytes that no version needs",
            place,
            expected,
            found,
            &YOURS,
        );
    }

    fn tell(
        &self,
        kind: DifferenceKind,
        thing: &str,
        place: String,
        expected: &str,
        found: String,
        fate: &Fate,
    ) {
        let is_repair = self.verify.options.is_repair;
        self.verify.tell_blocking(Difference {
            kind,
            thing: thing.to_owned(),
            place,
            expected: expected.to_owned(),
            found,
            remedy: fate.remedy.clone().into_owned(),
            repair: fate.repair.or(is_repair.then_some(Repair::Impossible)),
        });
    }

    fn ask<T>(&self, ask: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, VerifyError> {
        let options = &self.verify.options;
        store::view(&options.database, &options.service, ask)?.ok_or_else(|| {
            VerifyError::NoBackup {
                path: options.database.clone(),
            }
        })
    }
}

/// Paths whose files come or go, as keyed hashes: eight bytes each. Two paths with one hash are one in
/// billions, and the key is another one the next time.
#[derive(Default)]
struct Expected {
    key: RandomState,
    hashes: HashSet<u64>,
}

impl Expected {
    fn read(store: &Store) -> Result<Self, StoreError> {
        let key = RandomState::new();
        let (mut hashes, mut leaving, mut going) = (HashSet::new(), HashSet::new(), HashSet::new());
        store.each_coming_and_going(
            &mut |url, id| {
                let paths = places(url, id).into_iter().flatten();
                hashes.extend(paths.map(|path| key.hash_one(path.as_str())));
            },
            &mut |url, id| {
                let safe = safe_path(url, id).into_iter();
                leaving.extend(safe.map(|path| key.hash_one(path.as_str())));
            },
            &mut |path| {
                going.insert(key.hash_one(path));
            },
        )?;
        hashes.extend(leaving.into_iter().chain(going));
        Ok(Self { key, hashes })
    }

    fn holds(&self, path: &str) -> bool {
        self.hashes.contains(&self.key.hash_one(path))
    }
}

fn paths(files: &Files) -> Vec<String> {
    files.iter().map(|(path, _)| path.clone()).collect()
}

/// Reads the path of archived bytes: `ab/cd/{digest}`.
fn archived(path: &Path) -> Option<Digest> {
    let path = path.to_str()?;
    let (_, name) = path.rsplit_once('/')?;
    let digest: Digest = name.parse().ok()?;
    (path == place_of(&digest.to_string())).then_some(digest)
}

fn place_of(name: &str) -> String {
    let part = |from, to| name.get(from..to).unwrap_or_default();
    format!("{}/{}/{name}", part(0, 2), part(2, 4))
}
