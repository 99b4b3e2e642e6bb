//! A look at the mirror that costs nothing: is it there, and does it hold what the rows say?

use std::path::Path;

use crate::mirror::{Options, Reader};
use crate::model::{OnDisk, RelPath, chain};
use crate::store::SavedFile;

/// Files that are looked at: enough to see that a volume is not mounted, or that much was lost.
pub(super) const SAMPLE: usize = 24;

/// What a look tells.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What is wrong: a disk that is not mounted, mostly.
    pub(super) trouble: Option<String>,
    /// What could not be looked at, so that nothing is known of it.
    pub(super) doubt: Option<String>,
}

/// Looks at the folder of the files. `sample` are files that it should hold; empty where a run may be moving them.
pub(super) fn look_at(options: &Options, sample: &[SavedFile]) -> Look {
    let path: &Path = &options.root;
    let about = |words: &str| Some(format!("the mirror `{}` {words}", path.display()));
    let trouble = |words: &str| Look {
        trouble: about(words),
        doubt: None,
    };
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return trouble("is not a folder"),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return trouble("is missing"),
        Err(err) => return trouble(&format!("cannot be looked at ({err})")),
    }
    // The archive is none of this: one that cannot be read must not hide what the mirror lacks.
    let alone = Options {
        archive: options.root.clone(),
        ..options.clone()
    };
    let reader = match Reader::open(&alone) {
        Ok(reader) => reader,
        Err(err) => {
            let words = format!(
                "could not be looked into; nothing is known of its files: {}",
                chain(&err)
            );
            return Look {
                trouble: None,
                doubt: about(&words),
            };
        }
    };
    let (mut lost, mut untold) = (0, Vec::new());
    for file in sample {
        match RelPath::parse(&file.path).map(|path| reader.check(&path, file.bytes)) {
            Ok(Ok(OnDisk::Intact)) => {}
            // Where the disk does not tell, nothing is known.
            Ok(Err(err)) if err.is_no_answer() => untold.push(err),
            // A way that leads out of the mirror is a file that is not there.
            Ok(Ok(OnDisk::Missing | OnDisk::Damaged) | Err(_)) | Err(_) => lost += 1,
        }
    }
    let all = sample.len();
    let lacks = format!(
        "lacks {lost} of {all} files that were looked at; if its volume is mounted, the next run fetches what is missing"
    );
    Look {
        trouble: about(&lacks).filter(|_| lost > 0),
        doubt: untold.first().and_then(|err| {
            let untold = untold.len();
            about(&format!(
                "did not let {untold} of {all} files be looked at: {}",
                chain(err)
            ))
        }),
    }
}
