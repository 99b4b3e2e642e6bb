//! What can go wrong with the database, and what to do about it.

use rusqlite::ErrorCode;
use std::path::PathBuf;

/// What is in the way of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A file that may not be replaced.
    File,
    /// A folder or the like.
    NotAFile,
    /// The database that is to be copied, or one of the files beside it.
    Database,
    /// Another program has the old file open, or left its log.
    Log,
    /// Another snapshot to the same path is being made.
    Snapshot,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "exists and was left as it is",
            Self::NotAFile => "is not a regular file",
            Self::Database => "is part of the backup itself",
            Self::Log => {
                "has a log of SQLite beside it: another program has it open, or left it so"
            }
            Self::Snapshot => "is being written by another snapshot",
        })
    }
}

/// A database that could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path is a folder, a socket or the like.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The path is a link that leads to no file.
    #[error("`{}` is a link to `{}`, and there is no such file", path.display(), target.display())]
    Dangling {
        /// What was to be opened.
        path: PathBuf,
        /// What the link says.
        target: PathBuf,
    },
    /// The file is something else. It is left untouched.
    #[error("`{}` is not a SQLite database", path.display())]
    NotADatabase {
        /// What was to be opened.
        path: PathBuf,
    },
    /// The file is a database of another program. It is left untouched.
    #[error("`{}` is a database of another program (application id {application_id:#010x})", path.display())]
    Foreign {
        /// What was to be opened.
        path: PathBuf,
        /// What its header says; 0 where its program set none.
        application_id: i32,
    },
    /// The database was written by a newer program. It is left untouched.
    #[error("database schema {found} is newer than this program understands ({known})")]
    Newer {
        /// The schema of the file.
        found: u32,
        /// The newest schema of this program.
        known: u32,
    },
    /// The schema is older, and nothing may be written now.
    #[error("database schema {found} is older than this program's ({known}) and was not migrated")]
    Older {
        /// The schema of the file.
        found: u32,
        /// The newest schema of this program.
        known: u32,
    },
    /// The database is the backup of another service. It is left untouched.
    #[error("`{}` is the backup of service `{found}`, not of `{expected}`", path.display())]
    OtherService {
        /// What was to be opened.
        path: PathBuf,
        /// The service it belongs to.
        found: String,
        /// The service that was asked for.
        expected: String,
    },
    /// The schema was made by a file that this program does not have.
    #[error("migration {version} (`{name}`) is not the one that this database was made with")]
    EditedMigration {
        /// Its number.
        version: u32,
        /// Its name in this program.
        name: &'static str,
    },
    /// A snapshot cannot stand at this path. What is there was left as it is.
    #[error("`{}` {by}", path.display())]
    Taken {
        /// The path asked for.
        path: PathBuf,
        /// What is in the way.
        by: Taken,
    },
    /// The database is a snapshot that was made for handing on. It is left untouched.
    #[error("`{}` is a redacted snapshot, not a backup to go on with", path.display())]
    Redacted {
        /// What was to be opened.
        path: PathBuf,
    },
    /// There is something in the database about which redaction has no rule, so that it may be a secret.
    #[error("redaction has no rule for {what}")]
    Undecided {
        /// The tables and columns.
        what: String,
    },
    /// The copy is not what was to be copied.
    #[error("the snapshot did not pass its check: {finding}")]
    Unsound {
        /// What was found first.
        finding: String,
    },
    /// A file or folder could not be used.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No space is left.
    #[error("cannot {doing}: no space is left for the database")]
    OutOfSpace {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Another program holds the database.
    #[error("cannot {doing}: another program keeps the database busy")]
    Busy {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file is damaged.
    #[error("cannot {doing}: the database is damaged")]
    Corrupt {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The database may only be read: it was opened so, or the file does not allow more.
    #[error("cannot {doing}: the database may only be read")]
    ReadOnly {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The operating system failed under the database.
    #[error("cannot {doing}: the disk under the database failed")]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Anything else that SQLite refuses.
    #[error("cannot {doing}")]
    Sql {
        /// What was tried.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The database's thread has ended.
    #[error("the database is closed already")]
    Closed,
    /// A call panicked; its transaction was rolled back.
    #[error("a call to the database panicked and was rolled back")]
    Panicked,
}

impl StoreError {
    /// Sorts an error of SQLite by what a person can do about it.
    pub(super) fn sql(doing: &'static str, source: rusqlite::Error) -> Self {
        // Of the other codes none has a remedy of its own, and new ones get none by accident:
        // `Sql` promises nothing.
        match source.sqlite_error().map(|e| (e.code, e.extended_code)) {
            Some((ErrorCode::DiskFull, _)) => Self::OutOfSpace { doing, source },
            // The shared-memory file beside the database could not grow: in practice a full disk.
            Some((_, rusqlite::ffi::SQLITE_IOERR_SHMSIZE)) => Self::OutOfSpace { doing, source },
            Some((ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _)) => {
                Self::Busy { doing, source }
            }
            Some((ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)) => {
                Self::Corrupt { doing, source }
            }
            Some((ErrorCode::ReadOnly | ErrorCode::CannotOpen, _)) => {
                Self::ReadOnly { doing, source }
            }
            Some((ErrorCode::SystemIoFailure, _)) => Self::Disk { doing, source },
            Some(_) | None => Self::Sql { doing, source },
        }
    }

    /// Returns whether the disk (or the quota) is full. What was saved stays saved; the next run
    /// goes on once there is space.
    pub fn is_out_of_space(&self) -> bool {
        match self {
            Self::OutOfSpace { .. } => true,
            Self::File { source, .. } => matches!(
                source.kind(),
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
            ),
            Self::NotAFile { .. }
            | Self::Dangling { .. }
            | Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::OtherService { .. }
            | Self::EditedMigration { .. }
            | Self::Taken { .. }
            | Self::Redacted { .. }
            | Self::Undecided { .. }
            | Self::Unsound { .. }
            | Self::Busy { .. }
            | Self::Corrupt { .. }
            | Self::ReadOnly { .. }
            | Self::Disk { .. }
            | Self::Sql { .. }
            | Self::Closed
            | Self::Panicked => false,
        }
    }

    /// Returns what a person can do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotAFile { .. } | Self::NotADatabase { .. } | Self::Foreign { .. } => {
                "choose another path for `storage.database`; the file was left as it is".to_owned()
            }
            Self::Dangling { .. } => {
                "check that the volume it leads to is mounted; for a new backup make an empty file there, \
                 or name the file itself in `storage.database`"
                    .to_owned()
            }
            Self::Newer { .. } => {
                "use the program version that wrote it, or a newer one; the file was left as it is"
                    .to_owned()
            }
            Self::Older { .. } => "run `sync` once; it migrates the database".to_owned(),
            Self::OtherService {
                path,
                found,
                expected,
            } => format!(
                "give each service its own `storage.database`; if `{found}` was renamed to `{expected}`, say so with: \
                 sqlite3 '{}' \"UPDATE meta SET value = '{expected}' WHERE key = 'service_id'\"",
                path.display()
            ),
            Self::EditedMigration { .. } => {
                "use the program version that wrote the database; do not mix in unreleased builds"
                    .to_owned()
            }
            Self::Taken { by, .. } => match by {
                Taken::File => "name another file, or replace it with --force".to_owned(),
                Taken::NotAFile | Taken::Database => "name another file".to_owned(),
                Taken::Log => "close what has it open, or name another file".to_owned(),
                Taken::Snapshot => "wait for it to end, or name another file".to_owned(),
            },
            Self::Redacted { .. } => {
                "what was taken out of it cannot come back: name the backup itself in `storage.database`, or a new file"
                    .to_owned()
            }
            Self::Undecided { .. } => {
                "somebody added it to the database; take it out, or make the snapshot without --redact".to_owned()
            }
            Self::Unsound { .. } => {
                "nothing was written to the place asked for; the database itself may be damaged: run `doctor`".to_owned()
            }
            Self::File { source, .. } if self.is_out_of_space() => {
                format!("free some space ({source}), then run again; nothing saved was lost")
            }
            Self::File { .. } => {
                "check that the user this runs as may read and write it and its folder".to_owned()
            }
            Self::OutOfSpace { .. } => {
                "free some space, then run again; nothing saved was lost".to_owned()
            }
            Self::Busy { .. } => {
                "close other programs that write to the database; reading it is fine".to_owned()
            }
            Self::Corrupt { .. } => {
                "keep the file, restore the newest `snapshot` or copy, or rescue it with `sqlite3 FILE .recover`; \
                 then run `verify`"
                    .to_owned()
            }
            Self::ReadOnly { .. } => {
                "check the permissions of the file and its folder, and whether the file system is mounted read-only"
                    .to_owned()
            }
            Self::Disk { .. } => "look at the kernel's log for disk errors (`dmesg`)".to_owned(),
            Self::Sql { .. } | Self::Closed | Self::Panicked => return None,
        })
    }
}
