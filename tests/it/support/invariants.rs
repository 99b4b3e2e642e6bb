//! What must hold of database, mirror and archive after every run, however it ended.

use super::{Sandbox, assert_untampered};
use microcms_sim::Sim;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One saved file as the database tells it.
type Row = (String, String, u64, String);

/// Holds the database against the disk:
///
/// - what a row calls saved is there, whole, and nobody else's;
/// - superseded bytes are in the archive, or live on at a current path;
/// - the archive's names are its files' digests;
/// - every row is as the log says that it was written;
/// - nothing half-written and nothing outside of our folders is left.
#[track_caller]
pub(crate) fn assert_sound(home: &Sandbox) {
    assert_eq!(home.texts("PRAGMA integrity_check"), ["ok"]);
    if home
        .texts("SELECT value FROM meta WHERE key = 'test_aged'")
        .is_empty()
    {
        assert_untampered(home);
    }
    let saved = rows(home);
    let mut owners = BTreeMap::new();
    for (id, path, bytes, sha256) in &saved {
        if let Some(other) = owners.insert(path, id) {
            panic!("`{path}` is said to hold {other} and {id}");
        }
        let on_disk = std::fs::read(home.path("mirror").join(path))
            .unwrap_or_else(|err| panic!("`{path}` of {id} is said to be saved: {err}"));
        assert_eq!(on_disk.len() as u64, *bytes, "{path}");
        assert_eq!(&digest(&on_disk), sha256, "{path}");
    }
    let current: BTreeSet<&str> = saved.iter().map(|(.., sha256)| sha256.as_str()).collect();
    for sha256 in home.texts("SELECT sha256 FROM assets_history WHERE sha256 IS NOT NULL") {
        assert!(
            archived(home, &sha256).is_some() || current.contains(sha256.as_str()),
            "superseded bytes {sha256} are nowhere"
        );
    }
    for file in files(&home.path("archive")) {
        let name = file.file_name().expect("a name").to_string_lossy();
        assert_eq!(
            digest(&std::fs::read(&file).expect("archived bytes")),
            name,
            "{}",
            file.display()
        );
    }
    let beginnings = beginnings(home);
    for root in ["mirror", "archive"] {
        let mut temporary = temporary_files(home, root);
        temporary.retain(|file| !beginnings.contains(file));
        assert!(temporary.is_empty(), "{temporary:?}");
    }
    assert_eq!(strangers(home), Vec::<String>::new());
}

/// Nobody was refused, and no ten seconds saw more requests of the Management API than `most`.
#[track_caller]
pub(crate) fn assert_within_budget(sim: &Sim, most: u64) {
    let counters = sim.counters();
    assert_eq!(counters.statuses.get(&429), None);
    let seen = counters.management_max_in_10s;
    assert!(seen <= most, "{seen}");
}

/// As [`assert_sound`], and the mirror holds no file that no row names.
#[track_caller]
pub(crate) fn assert_sound_and_tidy(home: &Sandbox) {
    assert_sound(home);
    assert_eq!(strays(home), Vec::<String>::new());
}

/// Files of the mirror that no row names.
pub(crate) fn strays(home: &Sandbox) -> Vec<String> {
    let known: BTreeSet<String> = home
        .texts("SELECT path FROM assets WHERE path IS NOT NULL")
        .into_iter()
        .collect();
    let root = home.path("mirror");
    files(&root)
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).expect("below the root");
            path.to_str().expect("UTF-8").to_owned()
        })
        .filter(|path| !known.contains(path))
        .collect()
}

/// Reads bytes from the archive.
pub(crate) fn archived(home: &Sandbox, sha256: &str) -> Option<Vec<u8>> {
    let place = home
        .path("archive")
        .join(sha256.get(..2)?)
        .join(sha256.get(2..4)?)
        .join(sha256);
    std::fs::read(place).ok()
}

/// The digest as the database writes it.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// What half-written files there are.
pub(crate) fn temporary_files(home: &Sandbox, root: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(home.path(root).join(".tmp")) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// What an unfinished run kept of long files for the next one, each as its row tells it.
fn beginnings(home: &Sandbox) -> Vec<PathBuf> {
    if home.texts("SELECT outcome FROM runs ORDER BY id DESC LIMIT 1") == ["complete"] {
        return Vec::new();
    }
    let kept =
        home.texts("SELECT media_id || char(10) || bytes || char(10) || sha256 FROM partials");
    let mut found = Vec::new();
    for row in kept {
        let [id, bytes, sha256] = row.split('\n').collect::<Vec<_>>()[..] else {
            panic!("{row}");
        };
        let name = format!("kept-{:.32}", digest(id.as_bytes()));
        let file = home.path("mirror/.tmp").join(name);
        // The file goes before its row does.
        let Ok(came) = std::fs::read(&file) else {
            continue;
        };
        let bytes: usize = bytes.parse().expect("a length");
        assert_eq!(digest(&came[..bytes]), sha256, "of {id}");
        found.push(file);
    }
    found
}

fn rows(home: &Sandbox) -> Vec<Row> {
    let sql = home.sql();
    let mut query = sql
        .prepare("SELECT media_id, path, bytes, sha256 FROM assets WHERE state = 'saved'")
        .expect("assets");
    let rows = query
        .query_map([], |row| {
            let bytes: i64 = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, bytes.unsigned_abs(), row.get(3)?))
        })
        .expect("rows");
    rows.map(|row| row.expect("a row")).collect()
}

/// All regular files below a folder, temporary ones left out. Links would be a bug.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("a kind");
            if kind.is_dir() {
                if entry.path() != root.join(".tmp") {
                    folders.push(entry.path());
                }
            } else {
                assert!(kind.is_file(), "{} is no file", entry.path().display());
                found.push(entry.path());
            }
        }
    }
    found
}

/// What lies beside database, mirror and archive and is none of them.
fn strangers(home: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(home.path(".")).expect("the home");
    entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| {
            !name.starts_with("backup.sqlite3")
                && name != "mirror"
                && name != "archive"
                && !name.starts_with("test-")
        })
        .collect()
}
