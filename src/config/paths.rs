//! Where the storage paths stand to each other. By their text alone: nothing is opened, and a
//! symbolic link that brings two of them together is not seen.

use std::path::{Component, Path, PathBuf};

/// Returns `path` as an absolute one without `.` and `..`. A relative path starts at the current
/// working directory; if that is unknown the path stays relative.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                normal.push(component);
            }
        }
    }
    normal
}

/// Says what is contradictory about the three, by key.
pub(crate) fn contradictions(
    database: &Path,
    mirror: &Path,
    archive: &Path,
) -> Vec<(&'static str, &'static str)> {
    let (database, mirror, archive) = (normal(database), normal(mirror), normal(archive));
    let mut found = Vec::new();
    if mirror == archive {
        found.push(("storage.archive", "is the same folder as `storage.mirror`"));
    } else if archive.starts_with(&mirror) {
        // The mirror is a web root.
        found.push((
            "storage.archive",
            "lies inside `storage.mirror` and would be served with it",
        ));
    } else if mirror.starts_with(&archive) {
        found.push(("storage.mirror", "lies inside `storage.archive`"));
    }
    if database.starts_with(&mirror) {
        let text =
            "lies inside `storage.mirror`, a web root: drafts and draft keys would be public";
        found.push(("storage.database", text));
    } else if database.starts_with(&archive) {
        found.push(("storage.database", "lies inside `storage.archive`"));
    } else if mirror.starts_with(&database) || archive.starts_with(&database) {
        found.push((
            "storage.database",
            "must be a file, and this is a folder above the mirror or the archive",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_would_mix_or_publish_data_are_found() {
        let cases = [
            ("d.db", "m", "a", vec![]),
            (
                "d.db",
                "m",
                "./x/../m/",
                vec![("storage.archive", "same folder")],
            ),
            (
                "d.db",
                "m",
                "m/old",
                vec![("storage.archive", "inside `storage.mirror`")],
            ),
            (
                "d.db",
                "a/m",
                "a",
                vec![("storage.mirror", "inside `storage.archive`")],
            ),
            (
                "m/d.db",
                "m",
                "a",
                vec![("storage.database", "would be public")],
            ),
            (
                "a/d.db",
                "m",
                "a",
                vec![("storage.database", "inside `storage.archive`")],
            ),
            (
                "d",
                "d/m",
                "a",
                vec![("storage.database", "must be a file")],
            ),
            // A name that only begins alike is another folder.
            ("mirror.db", "mirror", "mirror-archive", vec![]),
        ];
        for (database, mirror, archive, expected) in cases {
            let found = contradictions(database.as_ref(), mirror.as_ref(), archive.as_ref());
            assert_eq!(
                found.len(),
                expected.len(),
                "{database} {mirror} {archive}: {found:?}"
            );
            for ((key, text), (expected_key, words)) in found.iter().zip(&expected) {
                assert_eq!(key, expected_key);
                assert!(text.contains(words), "{text}");
            }
        }
    }

    #[test]
    fn a_relative_and_an_absolute_path_to_one_folder_are_the_same() {
        let absolute = std::env::current_dir()
            .expect("a working directory")
            .join("m");
        let found = contradictions("d.db".as_ref(), "m".as_ref(), &absolute);
        assert_eq!(
            found,
            [("storage.archive", "is the same folder as `storage.mirror`")]
        );
    }
}
