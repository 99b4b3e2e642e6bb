//! What this machine can tell: configuration, key, files, lock, disk, database.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use super::super::assemble::{emptied, mirror_options};
use super::super::mirror_look::{Expected, look_at};
use super::checks::{About, Checks};
use crate::config::{self, ApiKey, Config, ConfigError, Sources};
use crate::mirror;
use crate::model::{Timestamp, chain};
use crate::store::{self, Integrity, Lock, LockState, Sample};

/// Free space below which a run may not get far.
const LITTLE_SPACE: u64 = 1 << 30;
const NO_SPACE: u64 = 32 << 20;
const FEW_INODES: u64 = 10_000;
const NO_INODES: u64 = 100;

/// What the backup tells for the questions to the service.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Contents by which to try what the key sees.
    pub(crate) samples: Vec<Sample>,
    /// When the Management API was asked last.
    pub(crate) recent_requests: Vec<Timestamp>,
    /// Whether a run may be under way, whose budget is not to be taken away.
    pub(crate) has_run: bool,
    /// Some of the files that the mirror should hold.
    expected: Expected,
}

/// Checks the configuration without the key.
pub(crate) fn configuration(sources: &Sources, checks: &mut Checks) -> Option<Config> {
    const NAME: &str = "configuration";
    match config::load(sources) {
        Ok(config) => {
            match &config.file {
                Some(file) => checks.ok(NAME, format!("`{}`", file.display())),
                None => checks.ok(NAME, "from the environment alone"),
            }
            for warning in &config.warnings {
                checks.warn(NAME, warning.clone(), None);
            }
            Some(config)
        }
        Err(err) => {
            refused(NAME, About::Configuration, &err, checks);
            None
        }
    }
}

/// Checks that there is a key, and says where it came from, never what it is.
pub(crate) fn key(sources: &Sources, config: &Config, checks: &mut Checks) -> Option<ApiKey> {
    const NAME: &str = "key";
    match config::load_with_key(sources) {
        Ok((with_key, key)) => {
            checks.ok(NAME, format!("from the {}", key.source));
            let is_new = |warning: &&String| !config.warnings.contains(warning);
            for warning in with_key.warnings.iter().filter(is_new) {
                checks.warn(NAME, warning.clone(), None);
            }
            Some(key)
        }
        Err(err) => {
            refused(NAME, About::Key, &err, checks);
            None
        }
    }
}

fn refused(name: &'static str, about: About, err: &ConfigError, checks: &mut Checks) {
    if err.problems().is_empty() {
        checks.fail(name, about, chain(err), err.hint());
    }
    for problem in err.problems() {
        checks.fail(name, about, problem.to_string(), None);
    }
}

/// Checks everything about the backup's own files.
pub(crate) fn backup(config: &Config, checks: &mut Checks) -> Known {
    let storage = &config.storage;
    let is_locked = lock(&storage.database, checks);
    let mut known = look_into(config, checks);
    // The daemon has the lock between its runs, too.
    known.has_run &= is_locked;
    modes(config, checks);
    let database = store::behind_links(&storage.database);
    let folder = folder_of(&database);
    writable("database folder", folder, checks);
    let can_write = writable("mirror", &storage.mirror, checks);
    // A run may be moving what is looked for; what is in its way was told.
    if can_write && !is_locked {
        held(config, &known.expected, checks);
    }
    writable("archive", &storage.archive, checks);
    disks(
        &[
            ("database", folder),
            ("mirror", &storage.mirror),
            ("archive", &storage.archive),
        ],
        checks,
    );
    known
}

fn lock(database: &Path, checks: &mut Checks) -> bool {
    const NAME: &str = "lock";
    match Lock::look(database) {
        LockState::Free => {
            checks.ok(NAME, "free: no run is under way");
            false
        }
        LockState::Held { pid, since } => {
            let process = pid.map_or("a process".to_owned(), |pid| format!("process {pid}"));
            let since = since.map_or(String::new(), |since| format!(" since {since}"));
            checks.ok(
                NAME,
                format!("held by {process}{since}: a run or the daemon"),
            );
            true
        }
        LockState::Unknown(why) => {
            let help = "the user that runs this needs to read the lock file beside the database";
            checks.warn(NAME, format!("cannot be looked at: {why}"), help.to_owned());
            true
        }
    }
}

fn look_into(config: &Config, checks: &mut Checks) -> Known {
    const NAME: &str = "database";
    let path = &config.storage.database;
    let looked = store::view_backup(path, &config.service.id, |store| {
        let integrity = store.check()?;
        // What a damaged database says of the rest is worth nothing.
        if !integrity.findings.is_empty() {
            return Ok((integrity, Known::default()));
        }
        let known = Known {
            samples: store.samples()?,
            recent_requests: store.recent_requests()?,
            has_run: store.has_open_run()?,
            expected: Expected::of(store)?,
        };
        Ok((integrity, known))
    });
    match looked {
        Ok(None) => {
            none_yet(config, checks);
            Known::default()
        }
        Ok(Some((integrity, known))) => {
            integrity_of(&integrity, path, checks);
            if let Err(err) = mirror::may_write_file(path) {
                let text = format!("`{}` cannot be written to: {err}", path.display());
                checks.fail(NAME, About::Other, text, OWNER.to_owned());
            }
            known
        }
        Err(err) => {
            checks.fail(NAME, About::Other, chain(&err), err.hint());
            Known::default()
        }
    }
}

/// Files without their records tell of a database that is elsewhere.
fn none_yet(config: &Config, checks: &mut Checks) {
    const NAME: &str = "database";
    if let Some(failure) = emptied(config) {
        return checks.fail(NAME, About::Other, failure.line(), failure.hint);
    }
    let database = config.storage.database.display();
    let mirror = &config.storage.mirror;
    let is_file = |entry: io::Result<fs::DirEntry>| {
        entry.is_ok_and(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
    };
    if !fs::read_dir(mirror).is_ok_and(|mut entries| entries.any(is_file)) {
        return checks.ok(NAME, format!("none yet; `sync` makes `{database}`"));
    }
    let text = format!(
        "none yet, though the mirror `{}` has files",
        mirror.display()
    );
    let help = format!(
        "if `{database}` lies on a volume that is not mounted, or was moved, put that right before the next run: with a new \
         one all is fetched again"
    );
    checks.warn(NAME, text, help);
}

const OWNER: &str =
    "it must belong to the user that runs `sync`: look with `ls -ld`, mend with `chown`";

/// Checks whether the mirror and the archive hold what the rows say.
fn held(config: &Config, expected: &Expected, checks: &mut Checks) {
    if expected.is_nothing() {
        return;
    }
    let looks = look_at(&mirror_options(config), expected);
    let fetched = "if it lies on a volume of its own, mount that before the next run, which fetches what is not there";
    let lost =
        "if it lies on a volume of its own, mount that; what is not there then is lost for good";
    for (name, look, help) in [
        ("mirror", looks.mirror, fetched),
        ("archive", looks.archive, lost),
    ] {
        for text in [look.trouble, look.doubt].into_iter().flatten() {
            checks.warn(name, text, help.to_owned());
        }
    }
}

fn integrity_of(integrity: &Integrity, path: &Path, checks: &mut Checks) {
    const NAME: &str = "database";
    if let Some(first) = integrity.findings.first() {
        let more = match integrity.findings.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let help =
            "keep the file, restore the newest copy, or rescue it with `sqlite3 FILE .recover`";
        let text = format!("`{}` is damaged: {first}{more}", path.display());
        checks.fail(NAME, About::Other, text, help.to_owned());
    } else if integrity.is_whole {
        checks.ok(NAME, format!("`{}` opens and is undamaged", path.display()));
    } else {
        let text = format!(
            "`{}` opens, and its small tables are undamaged; the large ones were left out",
            path.display()
        );
        checks.ok(NAME, text);
    }
}

/// Returns the folder of a file, also of one that is named alone.
fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Checks who may read drafts and draft keys, and who may take files away.
fn modes(config: &Config, checks: &mut Checks) {
    const NAME: &str = "file modes";
    let storage = &config.storage;
    let database = store::behind_links(&storage.database);
    let beside = |suffix: &str| {
        let mut name = database.clone().into_os_string();
        name.push(suffix);
        PathBuf::from(name)
    };
    let folder = folder_of(&database);
    let reading = "others can read drafts and draft keys";
    let writing = "others can change or remove what is in it";
    let cases = [
        (database.clone(), 0o077, reading, "600"),
        (beside("-wal"), 0o077, reading, "600"),
        (beside("-shm"), 0o077, reading, "600"),
        (folder.to_owned(), 0o022, writing, "go-w"),
        (storage.mirror.clone(), 0o022, writing, "go-w"),
        (storage.archive.clone(), 0o022, writing, "go-w"),
    ];
    let mut looked = 0;
    let mut is_fine = true;
    for (path, forbidden, words, remedy) in cases {
        let Ok(about) = fs::metadata(&path) else {
            continue;
        };
        looked += 1;
        let mode = about.permissions().mode() & 0o7777;
        // In a folder with the sticky bit (as /tmp) only owners take away.
        let is_sticky = about.is_dir() && mode & 0o1000 != 0;
        if mode & forbidden != 0 && !is_sticky {
            is_fine = false;
            let path = path.display();
            checks.warn(
                NAME,
                format!("`{path}` has mode {mode:04o}: {words}"),
                format!("chmod {remedy} '{path}'"),
            );
        }
    }
    if is_fine && looked > 0 {
        checks.ok(NAME, "database and folders are closed to others");
    }
}

/// Checks whether files can be put into a folder, and returns whether they can.
fn writable(name: &'static str, folder: &Path, checks: &mut Checks) -> bool {
    let path = folder.display();
    let can_write = mirror::may_write(folder);
    match &can_write {
        Ok(true) => checks.ok(name, format!("`{path}` can be written to")),
        Ok(false) => checks.ok(name, format!("`{path}` is not there yet and can be made")),
        Err(err) => {
            let help = if err.kind() == io::ErrorKind::ReadOnlyFilesystem {
                "the file system is mounted read-only: look at `mount` and the kernel's log"
            } else {
                OWNER
            };
            let text = format!("`{path}` cannot be written to: {err}");
            checks.fail(name, About::Other, text, help.to_owned());
        }
    }
    can_write.is_ok()
}

/// Looks at each file system once.
fn disks(places: &[(&str, &Path)], checks: &mut Checks) {
    const NAME: &str = "disk";
    let mut seen: Vec<(u64, String, mirror::Disk)> = Vec::new();
    for (name, path) in places {
        match mirror::disk(path) {
            Ok(disk) => match seen.iter_mut().find(|(device, ..)| *device == disk.device) {
                Some((_, names, _)) => names.push_str(&format!(", {name}")),
                None => seen.push((disk.device, (*name).to_owned(), disk)),
            },
            Err(err) => {
                let text = format!("of `{}` cannot be asked: {err}", path.display());
                checks.warn(NAME, text, None);
            }
        }
    }
    for (_, names, disk) in seen {
        let inodes = disk.inodes.map(|(free, _)| free);
        let room = inodes.map_or(String::new(), |free| format!(", room for {free} files"));
        let text = format!(
            "{} of {} free{room} ({names})",
            ByteSize(disk.free_bytes),
            ByteSize(disk.total_bytes)
        );
        let help = "free some space; what is owed is fetched by the next run".to_owned();
        if disk.free_bytes < NO_SPACE || inodes.is_some_and(|free| free < NO_INODES) {
            checks.fail(NAME, About::Other, text, help);
        } else if disk.free_bytes < LITTLE_SPACE || inodes.is_some_and(|free| free < FEW_INODES) {
            checks.warn(NAME, text, help);
        } else {
            checks.ok(NAME, text);
        }
    }
}
