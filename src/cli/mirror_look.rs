//! A look at the mirror that costs nothing: is it there, and does it hold what the rows say?

use std::path::Path;

use crate::mirror::{Options, Reader};
use crate::model::{OnDisk, RelPath};
use crate::store::SavedFile;

/// Files that are looked at: enough to see that a volume is not mounted, or that much was lost.
pub(super) const SAMPLE: usize = 24;

/// Says what is wrong with the folder of the files, as far as a look tells: a disk that is not mounted, mostly. `sample`
/// are files that it should hold; empty where a run may be moving them.
pub(super) fn mirror_trouble(options: &Options, sample: &[SavedFile]) -> Option<String> {
    let path: &Path = &options.root;
    let trouble = |words: &str| Some(format!("the mirror `{}` {words}", path.display()));
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return trouble("is not a folder"),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return trouble("is missing"),
        Err(err) => return trouble(&format!("cannot be looked at ({err})")),
    }
    // What cannot be looked into tells nothing.
    let reader = Reader::open(options).ok()?;
    let lacks = |file: &&SavedFile| {
        let checked = RelPath::parse(&file.path).map(|path| reader.check(&path, file.bytes));
        // Where the disk does not tell, nothing is known.
        match checked {
            Ok(Ok(OnDisk::Intact) | Err(_)) => false,
            Ok(Ok(OnDisk::Missing | OnDisk::Damaged)) | Err(_) => true,
        }
    };
    let lost = sample.iter().filter(lacks).count();
    if lost == 0 {
        return None;
    }
    trouble(&format!(
        "lacks {lost} of {} files that were looked at; if its volume is mounted, the next run fetches what is missing",
        sample.len()
    ))
}
