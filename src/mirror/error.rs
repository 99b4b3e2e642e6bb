//! What can go wrong with the files.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a file was not saved or not read. Each names the path.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The mirror's or the archive's folder cannot be used. Nothing can be saved.
    #[error("cannot use `{}` as a folder for the backup's files", path.display())]
    Open {
        /// The folder from the configuration.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// One step failed. What was saved before is untouched.
    #[error("cannot {doing} `{path}`")]
    Io {
        /// The step, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// The path cannot be had: a file (or a symbolic link) is where a folder must be, a folder is where the file must be, the
    /// file system takes no such name, or the device cannot read what is there. `RelPath::fallback` gives a path that can.
    #[error("`{path}` cannot be saved under that name: `{at}` is in the way")]
    Blocked {
        /// The path asked for.
        path: String,
        /// What is in the way.
        at: String,
        /// The reason.
        source: io::Error,
    },
    /// The file that was to move is not there, or not the recorded one.
    #[error("`{path}` is not in the mirror as it was saved")]
    Gone {
        /// Where it should be.
        path: String,
    },
    /// A copy of the mirror cannot stand here. What is there was left as it is.
    #[error("`{}` {why}", path.display())]
    Taken {
        /// The folder asked for.
        path: PathBuf,
        /// What is in the way.
        why: &'static str,
    },
    /// The body is not as long as it was announced.
    #[error("asset `{asset}` ended after {got} of {expected} bytes")]
    Length {
        /// The name given to `Mirror::begin`.
        asset: String,
        /// The length announced.
        expected: u64,
        /// The length received.
        got: u64,
    },
}

impl MirrorError {
    /// Tells whether there is no room left: disk or quota. Every further save will fail too.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self.errno(), Some(Errno::NOSPC | Errno::DQUOT))
    }

    /// Tells whether this process, or the machine, has as many files open as it may.
    pub fn is_out_of_descriptors(&self) -> bool {
        matches!(self.errno(), Some(Errno::MFILE | Errno::NFILE))
    }

    /// Tells whether every further save will fail, too.
    pub fn is_for_all(&self) -> bool {
        self.is_out_of_space()
            || self.is_read_only()
            || self.is_device_failure()
            || self.is_out_of_descriptors()
    }

    /// Tells whether the file system is mounted read-only, or became so after an error.
    pub fn is_read_only(&self) -> bool {
        self.errno() == Some(Errno::ROFS)
    }

    /// Tells whether the device failed, and not at what lay in the way of one file alone.
    pub fn is_device_failure(&self) -> bool {
        !self.is_blocked() && self.errno() == Some(Errno::IO)
    }

    /// Tells whether the disk itself does not work, or the server behind it has forgotten what was open.
    pub fn is_of_the_disk(&self) -> bool {
        self.is_device_failure() || self.errno() == Some(Errno::STALE)
    }

    /// Tells whether the disk only refused to say what is there: the file may be whole.
    pub fn is_no_answer(&self) -> bool {
        matches!(
            self.errno(),
            Some(Errno::ACCESS | Errno::PERM | Errno::IO | Errno::STALE)
        )
    }

    /// Tells whether another path (`RelPath::fallback`) would help.
    pub fn is_blocked(&self) -> bool {
        matches!(self, Self::Blocked { .. })
    }

    /// Tells whether the file that was to move is not there.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Gone { .. })
    }

    /// Tells whether something was gone that had been there: a folder removed while we held it.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Io { .. }) && self.errno() == Some(Errno::NOENT)
    }

    /// Returns what the operator can do, if it is known.
    pub fn hint(&self) -> Option<&'static str> {
        if matches!(self, Self::Taken { .. }) {
            return Some("name a folder that does not exist yet, or an empty one");
        }
        Some(match self.errno()? {
            Errno::NOSPC => {
                "the file system is full (check free inodes too); free space, then run again"
            }
            Errno::DQUOT => "the disk quota is used up; raise it or free space, then run again",
            Errno::ROFS => {
                "the file system is mounted read-only; remount it, or allow the folder in the unit's `ReadWritePaths=`"
            }
            Errno::ACCESS | Errno::PERM => {
                "the service user needs to own the folder, or have permission to read, write and enter it"
            }
            Errno::NOTDIR | Errno::EXIST => {
                "a file, a pipe or a symbolic link has this name, and links are not followed here; move it away"
            }
            Errno::LOOP => "a symbolic link has this name; name the folder it points to instead",
            Errno::MFILE | Errno::NFILE => {
                "raise how many files may be open (`ulimit -n`, `LimitNOFILE=` of the unit)"
            }
            Errno::XDEV => {
                "it is a mount of its own, and files are moved there from `.tmp` beside it: mount the whole folder there instead"
            }
            Errno::IO => {
                "the device reported a failure; look at the kernel's log before the next run"
            }
            Errno::NOENT if matches!(self, Self::Open { .. }) => {
                "the folder does not exist: mount its disk, or correct `storage.mirror`; the first run makes a new one"
            }
            Errno::NOENT => "the folder does not exist",
            _ => return None,
        })
    }

    fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open { source, .. } | Self::Io { source, .. } | Self::Blocked { source, .. } => {
                Errno::from_io_error(source)
            }
            Self::Length { .. } | Self::Gone { .. } | Self::Taken { .. } => None,
        }
    }

    /// Makes the mapping for one step: `.map_err(MirrorError::io("rename", path))`.
    pub(super) fn io(
        doing: &'static str,
        path: impl fmt::Display,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            doing,
            path: path.to_string(),
            source,
        }
    }

    /// Like [`MirrorError::io`], for a step that can fail because of the name itself.
    pub(super) fn named(
        doing: &'static str,
        wanted: impl fmt::Display,
        at: impl fmt::Display,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if is_about_the_name(&source) {
                Self::Blocked {
                    path: wanted.to_string(),
                    at: at.to_string(),
                    source,
                }
            } else {
                Self::Io {
                    doing,
                    path: at.to_string(),
                    source,
                }
            }
        }
    }
}

/// Tells whether the device failed.
pub(super) fn is_of_the_device(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::IO)
}

fn is_about_the_name(error: &io::Error) -> bool {
    // INVAL and ILSEQ come from file systems with rules for names (FAT, ZFS with utf8only), NAMETOOLONG from those
    // that encrypt them.
    let about_names = [
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::LOOP,
        Errno::EXIST,
        Errno::NAMETOOLONG,
        Errno::INVAL,
        Errno::ILSEQ,
    ];
    Errno::from_io_error(error).is_some_and(|errno| about_names.contains(&errno))
}
