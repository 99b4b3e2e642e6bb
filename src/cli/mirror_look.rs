//! A look at the mirror and the archive that costs nothing: are they there, and do they hold what the rows say?

use std::path::Path;

use crate::mirror::{MirrorError, Options, Reader};
use crate::model::{OnDisk, RelPath, chain};
use crate::store::{SavedFile, Store, StoreError};

/// Files that are looked at: enough to see that a volume is not mounted, or that much was lost.
const SAMPLE: usize = 24;

/// What to look for.
#[derive(Debug, Default)]
pub(super) struct Expected {
    /// Files that the mirror should hold.
    pub(super) files: Vec<SavedFile>,
    /// Whether the archive should hold anything.
    pub(super) has_archived: bool,
}

impl Expected {
    /// Takes some of what the rows say.
    pub(super) fn of(store: &Store) -> Result<Self, StoreError> {
        Ok(Self {
            files: store.sampled_files(SAMPLE)?,
            has_archived: store.has_archived_bytes()?,
        })
    }
}

/// What a look tells.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What is wrong: a disk that is not mounted, mostly.
    pub(super) trouble: Option<String>,
    /// What could not be looked at, so that nothing is known of it.
    pub(super) doubt: Option<String>,
}

/// Looks at the folders of the files. `sample` is empty where a run may be moving them.
pub(super) fn look_at(options: &Options, sample: &Expected) -> Look {
    let mut look = look_at_mirror(options, &sample.files);
    look.trouble = look.trouble.or_else(|| empty_archive(options, sample));
    look
}

/// Says that a folder holds nothing of what it should hold: then its volume is not mounted, mostly. Told are the key of the
/// configuration and the trouble.
pub(super) fn unmounted(options: &Options, sample: &Expected) -> Option<(&'static str, String)> {
    if let Some(text) = empty_archive(options, sample) {
        return Some(("archive", text));
    }
    let reader = Reader::open(options).ok()?;
    let is_missing = |file: &SavedFile| {
        let path = RelPath::parse(&file.path).ok();
        path.is_none_or(|path| matches!(reader.check(&path, file.bytes), Ok(OnDisk::Missing)))
    };
    let all = sample.files.len();
    (all > 0 && sample.files.iter().all(is_missing)).then(|| {
        let root = options.root.display();
        let text =
            format!("the mirror `{root}` holds none of the {all} files that were looked for");
        ("mirror", text)
    })
}

/// Says that the archive is empty, or not there, and should not be.
fn empty_archive(options: &Options, sample: &Expected) -> Option<String> {
    if !sample.has_archived {
        return None;
    }
    let is_empty = match std::fs::metadata(&options.archive) {
        Ok(_) => {
            let alone = Options {
                root: options.archive.clone(),
                ..options.clone()
            };
            // What cannot be listed is not known to be empty.
            Reader::open(&alone).is_ok_and(|reader| reader.scan().next().is_none())
        }
        Err(err) => err.kind() == std::io::ErrorKind::NotFound,
    };
    is_empty.then(|| {
        format!(
            "the archive `{}` holds nothing, and should hold bytes of earlier versions; if its volume is mounted, `verify` \
             tells what is lost",
            options.archive.display()
        )
    })
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
    let looked = sample.iter().map(|file| {
        let path = RelPath::parse(&file.path).ok()?;
        Some(reader.check(&path, file.bytes))
    });
    sum_up(path, looked)
}

/// Says what came of looking at some files; `None` is one whose path cannot be one.
fn sum_up(root: &Path, looked: impl Iterator<Item = Option<Result<OnDisk, MirrorError>>>) -> Look {
    let about = |words: &str| Some(format!("the mirror `{}` {words}", root.display()));
    let (mut all, mut lost, mut untold) = (0, 0, Vec::new());
    for looked in looked {
        all += 1;
        match looked {
            Some(Ok(OnDisk::Intact)) => {}
            // Where the disk does not tell, nothing is known.
            Some(Err(err)) if err.is_no_answer() => untold.push(err),
            // A way that leads out of the mirror is a file that is not there.
            Some(Ok(OnDisk::Missing | OnDisk::Damaged) | Err(_)) | None => lost += 1,
        }
    }
    let lacks = format!(
        "lacks {lost} of {all} files that were looked at; if its volume is mounted, the next run fetches what is missing of \
         media that the service still has"
    );
    // A disk that fails is worse news than one that may not be read.
    untold.sort_by_key(|err| !err.is_of_the_disk());
    let silent = untold.first().map(|err| {
        let count = untold.len();
        format!(
            "did not let {count} of {all} files be looked at: {}",
            chain(err)
        )
    });
    let silent = silent.as_deref().and_then(about);
    let lacks = about(&lacks).filter(|_| lost > 0);
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

    fn refused(errno: i32) -> Option<Result<OnDisk, MirrorError>> {
        Some(Err(MirrorError::Io {
            doing: "look at",
            path: "a/b.png".to_owned(),
            source: std::io::Error::from_raw_os_error(errno),
        }))
    }

    fn looked(files: Vec<Option<Result<OnDisk, MirrorError>>>) -> (Option<String>, Option<String>) {
        let look = sum_up(Path::new("/m"), files.into_iter());
        (look.trouble, look.doubt)
    }

    #[test]
    fn only_what_the_service_still_has_can_come_back() {
        let (trouble, _) = looked(vec![Some(Ok(OnDisk::Missing))]);
        let trouble = trouble.expect("trouble");
        let words = "the next run fetches what is missing of media that the service still has";
        assert!(trouble.ends_with(words), "{trouble}");
    }

    #[test]
    fn what_may_not_be_read_is_a_doubt_and_a_disk_that_fails_is_trouble() {
        let (trouble, doubt) = looked(vec![Some(Ok(OnDisk::Intact)), refused(13)]);
        assert_eq!(trouble, None);
        assert!(doubt.is_some_and(|doubt| doubt.contains("1 of 2 files")));
        // EIO and ESTALE, behind one that may not be read.
        for errno in [5, 116] {
            let (trouble, _) = looked(vec![refused(13), refused(errno), Some(Ok(OnDisk::Intact))]);
            let trouble = trouble.expect("trouble");
            assert!(trouble.contains("did not let 2 of 3"), "{trouble}");
        }
        let (trouble, _) = looked(vec![Some(Ok(OnDisk::Missing)), None, refused(5)]);
        assert!(trouble.is_some_and(|trouble| trouble.contains("lacks 2 of 3 files")));
        assert_eq!(looked(vec![Some(Ok(OnDisk::Intact))]), (None, None));
    }
}
