//! What earlier exports wrote, as their list and their notes tell.

use std::io::{self, BufReader};
use std::path::Path;

use cap_std::fs::{Dir, File};

use super::{LIST, LIST_TEMP, NOTES, WELCOME};
use crate::export::error::ExportError;
use crate::export::manifest::{self, Line, Written};
use crate::model::plain;

/// Reads what earlier exports wrote, or says why this folder is not one of theirs.
pub(super) fn earlier(path: &Path, dir: &Dir, service: &str) -> Result<Written, ExportError> {
    let mut written = Written::default();
    let found = read_both(path, dir, &mut |line| written.add(&line))?;
    written.sort();
    match found {
        Some(found) if found != service => Err(ExportError::OtherService {
            path: path.to_owned(),
            found: plain(&found),
            expected: service.to_owned(),
        }),
        Some(_) => Ok(written),
        None if dir.exists(NOTES) => Ok(written),
        None => match stranger(dir).map_err(ExportError::file("read", path))? {
            Some(example) => Err(ExportError::Foreign {
                path: path.to_owned(),
                example,
            }),
            None => Ok(written),
        },
    }
}

/// Reads list and notes. Returns whose list it is; `None` if there is none.
pub(super) fn read_both(
    path: &Path,
    dir: &Dir,
    each: &mut dyn FnMut(Line),
) -> Result<Option<String>, ExportError> {
    let failed = |name| ExportError::file("read", path.join(name));
    let mut service = None;
    if let Some(list) = open(dir, LIST).map_err(failed(LIST))? {
        let read = manifest::read(BufReader::new(list), &mut *each).map_err(failed(LIST))?;
        service = Some(read.ok_or_else(|| ExportError::Manifest {
            path: path.join(LIST),
        })?);
    }
    if let Some(notes) = open(dir, NOTES).map_err(failed(NOTES))? {
        manifest::read_notes(BufReader::new(notes), each).map_err(failed(NOTES))?;
    }
    Ok(service)
}

fn open(dir: &Dir, name: &str) -> io::Result<Option<File>> {
    match dir.open(name) {
        Ok(file) => Ok(Some(file)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(err) => Err(err),
    }
}

/// Returns something in the folder that no export wrote.
fn stranger(dir: &Dir) -> io::Result<Option<String>> {
    for entry in dir.entries()? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        // A list without its name: an export was cut off before it wrote anything.
        if !WELCOME.contains(&&*name) && name != LIST_TEMP {
            return Ok(Some(plain(&name)));
        }
    }
    Ok(None)
}
