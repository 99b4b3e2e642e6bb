//! Where the backup's own files are, so that nothing else is written over them.

use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::store;

/// What SQLite and the lock put beside the database, by the ends of their names.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", ".lock"];

/// Returns what of the backup's own a path would be, or would be inside of; `key_file` is the file that the key came from.
/// `None`: it may be written.
pub(super) fn own(config: &Config, key_file: Option<&Path>, path: &Path) -> Option<&'static str> {
    let place = real(path);
    let storage = &config.storage;
    let database = real(&storage.database);
    let is_beside = |end: &str| {
        let mut name = database.clone().into_os_string();
        name.push(end);
        place == Path::new(&name)
    };
    let is = |own: &Option<&Path>| own.is_some_and(|own| real(own) == place);
    if BESIDE.iter().any(|end| is_beside(end)) {
        Some("the database (`storage.database`)")
    } else if store::is_copy_before(&database, &place) {
        Some("the database as it was before an upgrade")
    } else if place.starts_with(real(&storage.mirror)) {
        Some("inside of `storage.mirror`, where only the backup's own files may be")
    } else if place.starts_with(real(&storage.archive)) {
        Some("inside of `storage.archive`, where only the backup's own files may be")
    } else if is(&config.file.as_deref()) {
        Some("the configuration")
    } else if is(&key_file) {
        Some("the file with the API key")
    } else {
        None
    }
}

/// A path without links and dots, as far as it exists.
pub(super) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let Some(name) = path.file_name() else {
        return path.to_owned();
    };
    let above = match path.parent() {
        Some(above) if above != Path::new("") => above,
        Some(_) | None => Path::new("."),
    };
    if above == Path::new(".") && !above.exists() {
        return path.to_owned();
    }
    real(above).join(name)
}
