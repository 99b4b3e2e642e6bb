//! A temporary home of one backup, and the commands that work in it.

use crate::service::Address;
use crate::{Fallible, args::Args, children};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that goes away with this value.
#[derive(Debug)]
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Fallible<Self> {
        let dir = tempfile::Builder::new()
            .prefix("microcms-backup-bench-")
            .tempdir()?;
        Ok(Self { dir })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("backup.sqlite3")
    }

    /// The program, with nothing of our own environment but what it needs.
    pub(crate) fn program(&self, args: &Args, at: &Address, words: &[&str]) -> Command {
        let mut command = Command::new(&args.program);
        self.settle(&mut command, at);
        command.args(words);
        command
    }

    /// The same run without the limits that a configuration cannot lift: the library, in a child.
    pub(crate) fn unlimited(&self, at: &Address, words: &[&str]) -> Fallible<Command> {
        self.library("sync", at, words)
    }

    /// The same within the limits, which tells how old page tokens became.
    pub(crate) fn within_limits(&self, at: &Address, words: &[&str]) -> Fallible<Command> {
        self.library("sync-within-limits", at, words)
    }

    fn library(&self, word: &str, at: &Address, words: &[&str]) -> Fallible<Command> {
        let home = self.dir.path().to_str().ok_or("a path that is no text")?;
        let at = serde_json::to_string(at)?;
        children::command(word, &[&[home, &at], words].concat())
    }

    fn settle(&self, command: &mut Command, at: &Address) {
        let set = |command: &mut Command, key: &str, value: &Path| {
            command.env(format!("MICROCMS_BACKUP__{key}"), value);
        };
        command
            .env_clear()
            .env("MICROCMS_SERVICE_ID", &at.service_id)
            .env("MICROCMS_API_KEY", &at.key);
        set(
            command,
            "SERVICE__MANAGEMENT_URL",
            Path::new(&at.management),
        );
        set(command, "SERVICE__CONTENT_URL", Path::new(&at.content));
        set(command, "ASSETS__HOSTS", Path::new(&at.hosts.join(",")));
        set(command, "STORAGE__DATABASE", &self.database());
        set(command, "STORAGE__MIRROR", &self.path("mirror"));
        set(command, "STORAGE__ARCHIVE", &self.path("archive"));
    }

    pub(crate) fn sql(&self) -> Fallible<Connection> {
        Ok(Connection::open_with_flags(
            self.database(),
            OpenFlags::SQLITE_OPEN_READ_ONLY,
        )?)
    }

    /// Answers a query with one number.
    pub(crate) fn number(&self, sql: &str) -> Fallible<u64> {
        let number: i64 = self.sql()?.query_row(sql, [], |row| row.get(0))?;
        Ok(number.unsigned_abs())
    }

    /// Answers a query with the texts of its first column.
    pub(crate) fn texts(&self, sql: &str) -> Fallible<Vec<String>> {
        let conn = self.sql()?;
        let mut query = conn.prepare(sql)?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Length of the database's file. Its log is empty after a run.
    pub(crate) fn database_bytes(&self) -> Fallible<u64> {
        Ok(self.database().metadata()?.len())
    }
}

/// Waits until what was written before is on the disk, so that nobody pays for his predecessor.
pub(crate) fn settle_disk() -> Fallible<()> {
    Command::new("sync").status()?;
    Ok(())
}
