//! A look at the mirror and the archive that costs nothing: are they there, and do they hold what the rows say?

use std::path::Path;

use crate::mirror::{MirrorError, Options, Reader};
use crate::model::{OnDisk, RelPath, chain};
use crate::store::{SAMPLE, SavedFile, Store, StoreError};

/// What to look for. Empty where a run may be moving files.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Files that the mirror should hold.
    files: Vec<SavedFile>,
    /// Digests of bytes that the archive should hold.
    archived: Vec<String>,
}

impl Expected {
    /// Takes some of what the rows say. Reads little, however many there are.
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            files: store.sampled_files(SAMPLE)?,
            archived: store.sampled_archived(SAMPLE)?,
        })
    }

    /// Returns whether there is nothing to look for.
    pub(super) fn is_nothing(&self) -> bool {
        self.files.is_empty() && self.archived.is_empty()
    }

    /// Takes what is about to be removed first, and overlooks nothing that the archive should hold.
    pub(super) fn before_removal(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            files: store.sampled_files(SAMPLE)?,
            archived: store.oldest_archived(SAMPLE)?,
        })
    }
}

/// What a look at one folder tells.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What is wrong: a disk that is not mounted, mostly.
    pub(super) trouble: Option<String>,
    /// What could not be looked at, so that nothing is known of it.
    pub(super) doubt: Option<String>,
}

/// What a look at both folders tells.
#[derive(Debug)]
pub(super) struct Looks {
    /// At the current files.
    pub(super) mirror: Look,
    /// At the superseded ones.
    pub(super) archive: Look,
}

/// Looks at the folders of the files.
pub(super) fn look_at(options: &Options, expected: &Expected) -> Looks {
    Looks {
        mirror: look_at_mirror(options, &expected.files),
        archive: look_at_archive(options, &expected.archived),
    }
}

/// Says that a folder holds nothing, or little, of what it should hold: then its volume is not mounted, mostly. Told are the
/// key of the configuration and the trouble.
pub(super) fn unmounted(options: &Options, expected: &Expected) -> Option<(&'static str, String)> {
    // What came since the volume went may be there.
    let archived = look_for_archived(options, &expected.archived);
    let missing = archived.iter().filter(|found| found.is_missing()).count();
    if missing * 2 > archived.len() {
        let root = options.archive.display();
        let all = archived.len();
        let text = format!(
            "the archive `{root}` lacks {missing} of {all} files of earlier versions that were looked for"
        );
        return Some(("archive", text));
    }
    let reader = Reader::open(options).ok()?;
    let is_missing = |file: &SavedFile| {
        let path = RelPath::parse(&file.path).ok();
        path.is_none_or(|path| matches!(reader.check(&path, file.bytes), Ok(OnDisk::Missing)))
    };
    let all = expected.files.len();
    (all > 0 && expected.files.iter().all(is_missing)).then(|| {
        let root = options.root.display();
        let text = match all {
            1 => format!("the mirror `{root}` lacks the file that was looked for"),
            _ => format!("the mirror `{root}` holds none of the {all} files that were looked for"),
        };
        ("mirror", text)
    })
}

/// What came of looking at one file.
enum Found {
    There,
    Missing,
    Untold(MirrorError),
}

impl Found {
    fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// Looks for bytes in the archive; one that is not there holds nothing.
fn look_for_archived(options: &Options, archived: &[String]) -> Vec<Found> {
    if archived.is_empty() {
        return Vec::new();
    }
    // The mirror is none of this.
    let alone = Options {
        root: options.archive.clone(),
        ..options.clone()
    };
    let reader = match Reader::open_if_there(&alone) {
        Ok(Some(reader)) => reader,
        Ok(None) => return archived.iter().map(|_| Found::Missing).collect(),
        Err(err) => return vec![Found::Untold(err)],
    };
    let look = |digest: &String| match digest.parse() {
        Ok(digest) => match reader.archived_length(&digest) {
            Ok(Some(_)) => Found::There,
            Ok(None) => Found::Missing,
            Err(err) => Found::Untold(err),
        },
        Err(_) => Found::Missing,
    };
    archived.iter().map(look).collect()
}

fn look_at_archive(options: &Options, archived: &[String]) -> Look {
    let remedy = "if its volume is mounted, `verify` tells what is lost";
    let name = format!("the archive `{}`", options.archive.display());
    let found = look_for_archived(options, archived);
    sum_up(&name, "files of earlier versions", remedy, found)
}

fn look_at_mirror(options: &Options, sample: &[SavedFile]) -> Look {
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
    let look = |file: &SavedFile| match RelPath::parse(&file.path) {
        Ok(path) => found(reader.check(&path, file.bytes)),
        Err(_) => Found::Missing,
    };
    let remedy = "if its volume is mounted, the next run fetches what is missing of media that the service still has";
    let name = format!("the mirror `{}`", path.display());
    sum_up(&name, "files", remedy, sample.iter().map(look).collect())
}

fn found(checked: Result<OnDisk, MirrorError>) -> Found {
    match checked {
        Ok(OnDisk::Intact) => Found::There,
        // Where the disk does not tell, nothing is known.
        Err(err) if err.is_no_answer() => Found::Untold(err),
        // A way that leads out of the mirror is a file that is not there.
        Ok(OnDisk::Missing | OnDisk::Damaged) | Err(_) => Found::Missing,
    }
}

/// Says what came of looking at some files of a folder.
fn sum_up(folder: &str, files: &str, remedy: &str, found: Vec<Found>) -> Look {
    let all = found.len();
    let missing = found.iter().filter(|found| found.is_missing()).count();
    let mut untold: Vec<MirrorError> = found
        .into_iter()
        .filter_map(|found| match found {
            Found::Untold(err) => Some(err),
            Found::There | Found::Missing => None,
        })
        .collect();
    let lacks = format!("{folder} lacks {missing} of {all} {files} that were looked at; {remedy}");
    let lacks = (missing > 0).then_some(lacks);
    // A disk that fails is worse news than one that may not be read.
    untold.sort_by_key(|err| !err.is_of_the_disk());
    let silent = untold.first().map(|err| {
        let count = untold.len();
        format!(
            "{folder} did not let {count} of {all} {files} be looked at: {}",
            chain(err)
        )
    });
    let is_failing = untold.first().is_some_and(MirrorError::is_of_the_disk);
    match (lacks, is_failing) {
        (None, true) => Look {
            trouble: silent,
            doubt: None,
        },
        (lacks, _) => Look {
            trouble: lacks,
            doubt: silent,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32) -> Found {
        found(Err(MirrorError::Io {
            doing: "look at",
            path: "a/b.png".to_owned(),
            source: std::io::Error::from_raw_os_error(errno),
        }))
    }

    fn looked(files: Vec<Found>) -> (Option<String>, Option<String>) {
        let look = sum_up("the mirror `/m`", "files", "mount it", files);
        (look.trouble, look.doubt)
    }

    #[test]
    fn what_may_not_be_read_is_a_doubt_and_a_disk_that_fails_is_trouble() {
        let (trouble, doubt) = looked(vec![Found::There, refused(13)]);
        assert_eq!(trouble, None);
        assert!(doubt.is_some_and(|doubt| doubt.contains("1 of 2 files")));
        // EIO and ESTALE, behind one that may not be read.
        for errno in [5, 116] {
            let (trouble, _) = looked(vec![refused(13), refused(errno), Found::There]);
            let trouble = trouble.expect("trouble");
            assert!(trouble.contains("did not let 2 of 3"), "{trouble}");
        }
        let (trouble, _) = looked(vec![Found::Missing, found(Ok(OnDisk::Damaged)), refused(5)]);
        assert!(trouble.is_some_and(|trouble| trouble.contains("lacks 2 of 3 files")));
        assert_eq!(looked(vec![Found::There]), (None, None));
    }
}
