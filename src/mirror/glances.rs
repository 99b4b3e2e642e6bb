//! Looking at many files, one after the other, with one question to the kernel for each.

use std::collections::HashSet;
use std::io;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Stat};

use super::error::MirrorError;
use super::folders::open_folder;
use super::read::{Reader, is_missing};
use crate::model::path::{OnDisk, RelPath};

/// Places that are looked at from within, each with a descriptor open. A service has nearly all its files in one or two.
const MAX_OPEN: usize = 8;

/// Places whose files are counted: those met last.
const MAX_COUNTED: usize = 16;

/// So many files of a place are looked at one by one before its folders are listed: a list has to be worth its while.
const BEFORE_LISTING: u32 = 64;

/// More links than these among the folders of a place, and each of its files is looked at one by one.
const MAX_LINKS: usize = 1_000;

/// Looks at many files, as [`Reader::check`] does at one, and says the same.
///
/// microCMS gives each medium a folder of its own, and these lie beside each other. Once enough of them were met, the folder
/// that holds them is opened, and listed for symbolic links among them: a file behind a folder that is none is looked at
/// from there, in one step that need not watch where it leads. What is made a link in the moments between can get a length of
/// somewhere else told, and nothing more: whoever reads or writes looks again.
#[derive(Debug)]
pub struct Glances {
    reader: Reader,
    open: Vec<Place>,
    /// How many files of other places were looked at; the places met last come first.
    counted: Vec<(String, u32)>,
}

/// A folder whose folders hold files.
#[derive(Debug)]
struct Place {
    /// Relative to the mirror.
    path: String,
    /// `None` where its folders cannot be listed.
    way: Option<Way>,
}

#[derive(Debug)]
struct Way {
    dir: Dir,
    /// What is, or may be, a link.
    links: HashSet<Vec<u8>>,
}

impl Glances {
    /// Begins with nothing looked at.
    pub fn new(reader: Reader) -> Self {
        Self {
            reader,
            open: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// Who looks.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Looks at what lies at a path; see [`Reader::check`].
    ///
    /// # Errors
    /// When the disk cannot tell: then nothing may be concluded.
    pub fn check(&mut self, path: &RelPath, expected_bytes: u64) -> Result<OnDisk, MirrorError> {
        let Some((dir, below)) = self.short_way(path.as_str()) else {
            return self.reader.check(path, expected_bytes);
        };
        match rustix::fs::statat(dir, below, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from) {
            Ok(stat) if is_file_of(&stat, expected_bytes) => Ok(OnDisk::Intact),
            Ok(_) => Ok(OnDisk::Damaged),
            Err(error) if is_missing(&error) => Ok(OnDisk::Missing),
            Err(source) => Err(MirrorError::io("look at", path)(source)),
        }
    }

    /// Returns from where, and by which rest of its path, a file may be looked at without care.
    fn short_way<'a>(&mut self, path: &'a str) -> Option<(&Dir, &'a str)> {
        let (folder, _) = path.rsplit_once('/')?;
        let (above, name) = folder.rsplit_once('/')?;
        let below = path.get(above.len() + 1..)?;
        let at = match self.open.iter().position(|place| place.path == above) {
            Some(at) => at,
            None if self.open.len() < MAX_OPEN && self.is_worth_listing(above) => {
                let way = Way::open(self.reader.root(), above).ok().flatten();
                let path = above.to_owned();
                self.open.push(Place { path, way });
                self.open.len() - 1
            }
            None => return None,
        };
        let way = self.open.get(at)?.way.as_ref()?;
        (!way.links.contains(name.as_bytes())).then_some((&way.dir, below))
    }

    /// Counts one more file of a place, and says whether it has been enough of them.
    fn is_worth_listing(&mut self, place: &str) -> bool {
        let at = self.counted.iter().position(|(path, _)| path == place);
        let (path, looked) = match at {
            Some(at) => self.counted.remove(at),
            None => (place.to_owned(), 0),
        };
        if looked == BEFORE_LISTING {
            return true;
        }
        self.counted.truncate(MAX_COUNTED - 1);
        self.counted.insert(0, (path, looked + 1));
        false
    }
}

impl Way {
    /// Opens a place and lists what is, or may be, a link in it. `None` where these are too many.
    fn open(root: &Dir, path: &str) -> io::Result<Option<Self>> {
        let dir = open_folder(root, path)?;
        let mut links = HashSet::new();
        for entry in rustix::fs::Dir::read_from(&dir)? {
            let entry = entry?;
            match entry.file_type() {
                // Nothing lies behind a file, and the kernel says so.
                FileType::Directory | FileType::RegularFile => continue,
                // Some file systems do not say what an entry is.
                FileType::Symlink
                | FileType::Fifo
                | FileType::Socket
                | FileType::CharacterDevice
                | FileType::BlockDevice
                | FileType::Unknown => {}
            }
            if links.len() == MAX_LINKS {
                return Ok(None);
            }
            links.insert(entry.file_name().to_bytes().to_vec());
        }
        Ok(Some(Self { dir, links }))
    }
}

fn is_file_of(stat: &Stat, bytes: u64) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        && u64::try_from(stat.st_size) == Ok(bytes)
}
