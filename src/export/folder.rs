//! The folder that is written to: whole files, and a list of what is this program's own.
//!
//! A file is noted before it is replaced or removed, and the list follows at the end. Whatever a kill cut
//! off, the next export knows from list and notes which files are its own.

mod earlier;
mod ways;

use std::fs::{DirBuilder as StdDirBuilder, File as StdFile, TryLockError};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use sha2::{Digest as _, Sha256};

use self::earlier::{earlier, read_both};
pub(super) use self::ways::Ways;
use super::error::ExportError;
use super::manifest::{self, Line, Sum, Written, sum_of};

/// The list of what was written.
const LIST: &str = ".microcms-backup-export.json";
/// The notes of what is about to be written or removed.
const NOTES: &str = ".microcms-backup-export.notes";
/// The list while it is being written.
const LIST_TEMP: &str = ".microcms-backup-export.json.tmp";
/// A file while it is being written.
const TEMP: &str = ".microcms-backup-export.tmp";
/// What the folder's owner may have put there before the first export.
const WELCOME: [&str; 3] = [".git", ".gitignore", ".gitattributes"];
/// How many files that somebody changed are named.
const NAMED: usize = 20;

/// What became of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Files {
    /// New, or replaced.
    pub written: u64,
    /// Right already, and not touched.
    pub unchanged: u64,
    /// No longer part of the export.
    pub removed: u64,
    /// Left as they are, for somebody else wrote or changed them.
    pub kept: u64,
    /// The first of those, by their paths.
    pub kept_paths: Vec<String>,
}

/// A folder, open for one export. Nobody else exports to it meanwhile.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    dir: Dir,
    /// Holds the lock, and is what can be flushed: `dir` is a mere place.
    held: StdFile,
    how: Ways,
    /// What earlier exports wrote.
    earlier: Written,
    /// What this one found or made right.
    now: Written,
    notes: Option<File>,
    list: Option<manifest::Writer<BufWriter<File>>>,
    last_parent: String,
    temps: usize,
    pub(super) files: Files,
}

/// A file that grows while rows come.
#[derive(Debug)]
pub(super) struct Growing {
    name: String,
    to: BufWriter<File>,
    hasher: Sha256,
    path: String,
}

/// What lies at a path.
enum Found {
    Nothing,
    /// The right bytes.
    Right,
    /// Bytes that an export wrote.
    Ours,
    Somebodys,
}

impl Folder {
    /// Opens the folder, made if need be.
    pub(super) fn open(path: &Path, service: &str, how: Ways) -> Result<Self, ExportError> {
        let mut builder = StdDirBuilder::new();
        let builder = builder.recursive(true).mode(how.folder_mode());
        builder.create(path).map_err(|source| {
            let of_a_file = [io::ErrorKind::AlreadyExists, io::ErrorKind::NotADirectory];
            if of_a_file.contains(&source.kind()) {
                let path = path.to_owned();
                return ExportError::NoFolder { path };
            }
            ExportError::file("make", path)(source)
        })?;
        let failed = || ExportError::file("open", path);
        let path = path.canonicalize().map_err(failed())?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed())?;
        let lock = StdFile::open(&path).map_err(failed())?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(ExportError::Busy { path });
        }
        // Some network disks know no locks; then two exports at once are the caller's business.
        let earlier = earlier(&path, &dir, service)?;
        let mut folder = Self {
            path,
            dir,
            held: lock,
            how,
            earlier,
            now: Written::default(),
            notes: None,
            list: None,
            last_parent: String::new(),
            temps: 0,
            files: Files::default(),
        };
        // From here on it is known as an export's, though a kill may come before the list.
        if !folder.dir.exists(LIST) {
            folder.open_notes()?;
        }
        let list = folder.create(LIST_TEMP)?;
        let list = manifest::Writer::begin(BufWriter::new(list), service);
        folder.list = Some(list.map_err(folder.failed("write", LIST_TEMP))?);
        Ok(folder)
    }

    /// Returns the folder's real path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Sees to it that a file has these bytes.
    pub(super) fn put(
        &mut self,
        path: &str,
        id: Option<&str>,
        bytes: &[u8],
    ) -> Result<(), ExportError> {
        let sum = sum_of(bytes);
        let found = self
            .look(path, &sum, bytes.len() as u64)
            .map_err(self.failed("read", path))?;
        if self.may_write(path, id, &sum, &found)? {
            let mut file = self.create(TEMP)?;
            file.write_all(bytes).map_err(self.failed("write", path))?;
            drop(file);
            self.put_in_place(TEMP, path)?;
        }
        Ok(())
    }

    /// Begins a file that grows.
    pub(super) fn begin(&mut self, path: &str) -> Result<Growing, ExportError> {
        self.temps += 1;
        let name = format!("{TEMP}.{}", self.temps);
        let file = self.create(&name)?;
        Ok(Growing {
            name,
            to: BufWriter::new(file),
            hasher: Sha256::new(),
            path: path.to_owned(),
        })
    }

    /// Adds to a file that grows.
    pub(super) fn grow(&self, growing: &mut Growing, bytes: &[u8]) -> Result<(), ExportError> {
        growing.hasher.update(bytes);
        let written = growing.to.write_all(bytes);
        written.map_err(self.failed("write", &growing.path))
    }

    /// Puts a file that grew in its place, unless the same bytes are there.
    pub(super) fn end(&mut self, growing: Growing) -> Result<(), ExportError> {
        let Growing {
            name,
            to,
            hasher,
            path,
        } = growing;
        let file = to.into_inner().map_err(io::IntoInnerError::into_error);
        let file = file.map_err(self.failed("write", &path))?;
        let length = file.metadata().map_err(self.failed("write", &path))?.len();
        drop(file);
        let sum: Sum = hasher.finalize().into();
        let found = self
            .look(&path, &sum, length)
            .map_err(self.failed("read", &path))?;
        if self.may_write(&path, None, &sum, &found)? {
            return self.put_in_place(&name, &path);
        }
        self.dir
            .remove_file(&name)
            .map_err(self.failed("remove", &name))
    }

    pub(super) fn has_earlier(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// Leaves a file as an earlier export wrote it: what belongs there now is not known.
    pub(super) fn leave(&mut self, path: &str, id: Option<&str>) -> Result<(), ExportError> {
        let found = self.sum_at(path).map_err(self.failed("read", path))?;
        match found {
            Some(sum) if self.earlier.wrote(path, &sum) => {
                self.hide(path)?;
                self.list(path, id, &sum)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Removes what no content has any more, and returns once all of it is on the disk.
    pub(super) fn tidy(&mut self) -> Result<(), ExportError> {
        self.now.sort();
        let mut gone = Vec::new();
        let mut kept = Vec::new();
        for path in self.vanished()? {
            match self.sum_at(&path).map_err(self.failed("read", &path))? {
                None => {}
                Some(sum) if self.earlier.wrote(&path, &sum) || self.how.overwrites => {
                    gone.push(path);
                }
                Some(_) => kept.push(path),
            }
        }
        gone.sort();
        gone.dedup();
        for path in gone {
            self.note(&path, None)?;
            self.dir
                .remove_file(&path)
                .map_err(self.failed("remove", &path))?;
            self.files.removed += 1;
            if let Some((parent, _)) = path.rsplit_once('/') {
                // Only an empty one goes; others hold what is still needed.
                drop(self.dir.remove_dir(parent));
            }
        }
        kept.sort();
        kept.dedup();
        kept.into_iter().for_each(|path| self.keep(path));
        if self.notes.is_some() {
            rustix::fs::syncfs(&self.held)
                .map_err(io::Error::from)
                .map_err(self.failed("flush", "."))?;
        }
        Ok(())
    }

    /// Returns the paths that Git is to have: those that an export of now or then wrote or removed.
    pub(super) fn is_ours(&self, path: &str) -> bool {
        self.now.has(path) || self.earlier.has(path)
    }

    /// Writes the list, after which the notes are not needed.
    pub(super) fn seal(mut self) -> Result<Files, ExportError> {
        if let Some(list) = self.list.take() {
            let failed = || self.failed("write", LIST);
            let file = list.end().map_err(failed())?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error);
            file.map_err(failed())?.sync_all().map_err(failed())?;
            let is_same =
                self.sum_at(LIST).map_err(failed())? == self.sum_at(LIST_TEMP).map_err(failed())?;
            if is_same {
                self.dir.remove_file(LIST_TEMP).map_err(failed())?;
                self.hide(LIST)?;
            } else {
                self.dir
                    .rename(LIST_TEMP, &self.dir, LIST)
                    .map_err(failed())?;
            }
        }
        if self.dir.exists(NOTES) {
            rustix::fs::syncfs(&self.held)
                .map_err(io::Error::from)
                .map_err(self.failed("flush", "."))?;
            self.dir
                .remove_file(NOTES)
                .map_err(self.failed("remove", NOTES))?;
        }
        Ok(std::mem::take(&mut self.files))
    }

    /// Decides on a file by what lies there, and notes what is about to happen.
    fn may_write(
        &mut self,
        path: &str,
        id: Option<&str>,
        sum: &Sum,
        found: &Found,
    ) -> Result<bool, ExportError> {
        let writes = match found {
            Found::Right => {
                self.hide(path)?;
                self.files.unchanged += 1;
                false
            }
            Found::Somebodys if !self.how.overwrites => {
                self.keep(path.to_owned());
                // It belongs there, so it is not looked at again when the folder is tidied.
                self.now.add(&line(path, id, sum));
                return Ok(false);
            }
            Found::Nothing | Found::Ours | Found::Somebodys => {
                self.note(path, Some(sum))?;
                self.files.written += 1;
                true
            }
        };
        self.list(path, id, sum)?;
        Ok(writes)
    }

    fn keep(&mut self, path: String) {
        self.files.kept += 1;
        if self.files.kept_paths.len() < NAMED {
            self.files.kept_paths.push(path);
        }
    }

    fn list(&mut self, path: &str, id: Option<&str>, sum: &Sum) -> Result<(), ExportError> {
        let line = line(path, id, sum);
        self.now.add(&line);
        let added = self.list.as_mut().map_or(Ok(()), |list| list.add(&line));
        added.map_err(self.failed("write", LIST_TEMP))
    }

    fn note(&mut self, path: &str, sum: Option<&Sum>) -> Result<(), ExportError> {
        if self.notes.is_none() {
            self.open_notes()?;
        }
        let line = Line {
            path: path.to_owned(),
            id: None,
            sha256: sum.map(hex::encode),
        };
        let text = serde_json::to_string(&line).map_err(io::Error::from);
        let noted = text.and_then(|text| match &mut self.notes {
            // The break in front ends a line that a kill or a full disk cut.
            Some(notes) => notes.write_all(format!("\n{text}\n").as_bytes()),
            None => Ok(()),
        });
        noted.map_err(self.failed("write", NOTES))
    }

    fn open_notes(&mut self) -> Result<(), ExportError> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).mode(self.how.file_mode());
        let opened = self.dir.open_with(NOTES, &options);
        self.notes = Some(opened.map_err(self.failed("write", NOTES))?);
        self.hide(NOTES)
    }

    fn create(&self, name: &str) -> Result<File, ExportError> {
        // Not through a link that somebody put in its place.
        match self.dir.remove_file(name) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                return Err(self.failed("remove", name)(err));
            }
            Ok(()) | Err(_) => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        options.mode(self.how.file_mode());
        let opened = self.dir.open_with(name, &options);
        opened.map_err(self.failed("write", name))
    }

    fn put_in_place(&mut self, temp: &str, path: &str) -> Result<(), ExportError> {
        if let Some((parent, _)) = path.rsplit_once('/')
            && parent != self.last_parent
        {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(self.how.folder_mode());
            let made = self.dir.create_dir_with(parent, &builder);
            made.map_err(self.failed("make", parent))?;
            self.hide_one(parent)?;
            parent.clone_into(&mut self.last_parent);
        }
        self.dir
            .rename(temp, &self.dir, path)
            .map_err(self.failed("write", path))
    }

    fn look(&self, path: &str, sum: &Sum, length: u64) -> io::Result<Found> {
        let Some(kind) = kind_at(&self.dir, path)? else {
            return Ok(Found::Nothing);
        };
        if !kind.is_file() {
            return Ok(Found::Somebodys);
        }
        let Some(there) = self.sum_at(path)? else {
            return Ok(Found::Nothing);
        };
        // A power cut may leave a name without bytes.
        let is_emptied = kind.len() == 0 && self.earlier.has(path);
        Ok(if there == *sum && kind.len() == length {
            Found::Right
        } else if is_emptied || self.earlier.wrote(path, &there) {
            Found::Ours
        } else {
            Found::Somebodys
        })
    }

    /// Returns the digest of a regular file; `None` if there is none.
    fn sum_at(&self, path: &str) -> io::Result<Option<Sum>> {
        if !kind_at(&self.dir, path)?.is_some_and(|kind| kind.is_file()) {
            return Ok(None);
        }
        let mut file = self.dir.open(path)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut buffer)?;
            match buffer.get(..read) {
                Some([]) | None => return Ok(Some(hasher.finalize().into())),
                Some(bytes) => hasher.update(bytes),
            }
        }
    }

    /// Returns the paths that earlier exports wrote and this one does not need.
    fn vanished(&self) -> Result<Vec<String>, ExportError> {
        let mut paths = Vec::new();
        let mut vanished = |line: Line| {
            if !self.now.has(&line.path) {
                paths.push(line.path);
            }
        };
        read_both(&self.path, &self.dir, &mut vanished)?;
        Ok(paths)
    }

    fn failed(&self, doing: &'static str, name: &str) -> impl FnOnce(io::Error) -> ExportError {
        ExportError::file(doing, self.path.join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is of an export that failed; the first error is the one to tell.
        drop(self.dir.remove_file(LIST_TEMP));
        drop(self.dir.remove_file(TEMP));
        for number in 1..=self.temps {
            drop(self.dir.remove_file(format!("{TEMP}.{number}")));
        }
    }
}

fn line(path: &str, id: Option<&str>, sum: &Sum) -> Line {
    Line {
        path: path.to_owned(),
        id: id.map(str::to_owned),
        sha256: Some(hex::encode(sum)),
    }
}

fn kind_at(dir: &Dir, path: &str) -> io::Result<Option<cap_std::fs::Metadata>> {
    match dir.symlink_metadata(path) {
        Ok(kind) => Ok(Some(kind)),
        Err(err) if is_nothing(&err) => Ok(None),
        Err(err) => Err(err),
    }
}

/// Returns whether nothing can be at a path.
fn is_nothing(err: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&err.kind())
}
