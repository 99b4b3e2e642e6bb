//! Opening the mirror.

use std::fs;
use std::io;
use std::ops::Deref;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags, Mode, OFlags};

use super::archive::Archive;
use super::error::MirrorError;
use super::flush::Flusher;
use super::folders::Tree;
use super::partial::Partial;
use super::read::Reader;
use super::steps::Steps;
use super::temp::TempFolder;

/// Where the files lie and who may read them.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of the mirror.
    pub root: PathBuf,
    /// The folder of superseded bytes. Best in the mirror's file system, where moving costs no space.
    pub archive: PathBuf,
    /// Mode of new files, exactly. `None`: 0600, less what the umask takes away.
    pub file_mode: Option<u32>,
    /// Mode of new folders, exactly. `None`: 0700, less what the umask takes away.
    pub dir_mode: Option<u32>,
}

/// The mirror, open for saving. Cheap to clone; the clones share one state and may be used from many threads.
///
/// What a [`Reader`] can do, it can do too.
#[derive(Clone, Debug)]
pub struct Mirror {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    reader: Reader,
    pub(super) tree: Tree,
    pub(super) archive: Archive,
    pub(super) temp: TempFolder,
    pub(super) flusher: Flusher,
    pub(super) steps: Steps,
    /// The folder's path.
    path: PathBuf,
}

impl Mirror {
    /// Opens the mirror for saving, makes its folders if they are missing, and removes temporary files of runs that were cut off.
    ///
    /// There must be no other writer: its temporary files would be removed. To look only, use [`Reader::open`].
    ///
    /// # Errors
    /// When one of the folders cannot be made, is not a folder, or is not writable; [`MirrorError::hint`] says what to do.
    pub fn open(options: &Options) -> Result<Self, MirrorError> {
        Self::open_with(options, Steps::default())
    }

    pub(super) fn open_with(options: &Options, steps: Steps) -> Result<Self, MirrorError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| MirrorError::Open { path, source }
        };
        let root =
            writable_folder(&options.root, options.dir_mode).map_err(unusable(&options.root))?;
        let archive = writable_folder(&options.archive, options.dir_mode)
            .map_err(unusable(&options.archive))?;
        let (root, archive) = (Arc::new(root), Arc::new(archive));
        let temp =
            TempFolder::open(&root, options.file_mode, &steps).map_err(unusable(&options.root))?;
        let archive_temp = TempFolder::open(&archive, options.file_mode, &steps)
            .map_err(unusable(&options.archive))?;
        let flusher = Flusher::new(Arc::clone(temp.dir()), temp.alarms().clone(), &steps);
        let inner = Inner {
            reader: Reader::new(Arc::clone(&root), Some(Arc::clone(&archive))),
            tree: Tree::new(root, options.dir_mode, &steps),
            archive: Archive::new(
                Tree::new(archive, options.dir_mode, &steps),
                archive_temp,
                &steps,
            ),
            temp,
            flusher,
            steps,
            path: options.root.clone(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Returns whether another folder, or none, lies at the mirror's path by now: its volume went away, or somebody moved it.
    /// What was saved is in the folder that was opened.
    pub fn is_displaced(&self) -> bool {
        let opened = self.inner.reader.root().dir_metadata();
        let now = fs::metadata(&self.inner.path);
        match (opened, now) {
            (Ok(opened), Ok(now)) => {
                (
                    cap_std::fs::MetadataExt::dev(&opened),
                    cap_std::fs::MetadataExt::ino(&opened),
                ) != (now.dev(), now.ino())
            }
            (Ok(_), Err(_)) => true,
            (Err(_), _) => false,
        }
    }

    /// Begins a file of unknown path. `hint` names the medium in messages and in the temporary file's name; `expected` is
    /// its announced length in bytes, 0 where nothing is announced, and only saves copying.
    ///
    /// Touches the disk only once a good deal was written.
    pub fn begin(&self, hint: &str, expected: u64) -> Partial {
        Partial::new(Arc::clone(&self.inner), hint, expected)
    }
}

impl Deref for Mirror {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.inner.reader
    }
}

/// Opens an existing folder from the configuration; here, and only here, symbolic links are the operator's and followed.
pub(super) fn existing_folder(path: &Path) -> io::Result<Dir> {
    // Whatever else lies there is not opened at all: a pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty())?;
    Ok(Dir::from_std_file(folder.into()))
}

/// Opens a folder that is ours: not through a link, and none that others can write into, who could then
/// lead elsewhere what is written there, or what is cleared away.
pub(super) fn own_folder(path: &Path) -> io::Result<fs::File> {
    let seen = fs::symlink_metadata(path)?;
    if seen.is_dir() {
        let folder = fs::File::open(path)?;
        let opened = folder.metadata()?;
        let is_itself = (seen.dev(), seen.ino()) == (opened.dev(), opened.ino());
        if is_itself && opened.mode() & 0o022 == 0 {
            return Ok(folder);
        }
    }
    let text = "it is a link, or others can write into it: remove it";
    Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
}

fn writable_folder(path: &Path, mode: Option<u32>) -> io::Result<Dir> {
    make_folders(path, mode)?;
    let dir = existing_folder(path)?;
    // Told now, once, instead of for each of ten thousand files.
    rustix::fs::accessat(
        &dir,
        ".",
        Access::WRITE_OK | Access::READ_OK | Access::EXEC_OK,
        AtFlags::empty(),
    )?;
    Ok(dir)
}

/// Makes a folder and what is missing above it, each one flushed.
fn make_folders(path: &Path, mode: Option<u32>) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().unwrap_or(Path::new(""));
    make_folders(parent, mode)?;
    match fs::DirBuilder::new()
        .mode(mode.unwrap_or(0o700))
        .create(path)
    {
        Ok(()) => {}
        // Made by somebody in the meantime; if it is a file, opening it as a folder will say so.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    if let Some(mode) = mode {
        rustix::fs::fchmod(fs::File::open(path)?, Mode::from_raw_mode(mode))?;
    }
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    // A parent that can be entered but not read (`/var/lib` of some systems) cannot be flushed by us; it has its name anyway.
    match fs::File::open(parent) {
        Ok(parent) => parent.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(error) => Err(error),
    }
}
