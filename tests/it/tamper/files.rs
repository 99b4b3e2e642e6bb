//! Files that were changed behind the program's back.

use super::{Scene, words};
use crate::support::{files, tampered};
use microcms_backup::model::TamperKind;
use std::path::Path;

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_or_a_missing_file_is_named_in_mirror_and_archive() {
    let scene = Scene::new().await;
    let home = scene.home();
    // Bytes that a current file has as well need no second place.
    let spare =
        home.texts("SELECT sha256 FROM assets_history WHERE sha256 IN (SELECT sha256 FROM assets)");
    let whole = tampered(home, None);
    assert_eq!(whole.findings.total(), 0, "{:#?}", words(&whole));
    let mirrored = files(&home.path("mirror"));
    let archived = files(&home.path("archive"));
    assert!(!archived.is_empty());
    assert_eq!(whole.files, Some((mirrored.len() + archived.len()) as u64));
    for (root, all) in [("mirror", mirrored), ("archive", archived)] {
        for path in all {
            let bytes = std::fs::read(&path).expect("a file");
            let name = match root {
                "mirror" => path
                    .strip_prefix(home.path(root))
                    .expect("below")
                    .to_owned(),
                _ => path.file_name().expect("a name").into(),
            };
            let name = name.to_str().expect("UTF-8").to_owned();
            for kind in [TamperKind::ChangedFile, TamperKind::MissingFile] {
                if kind == TamperKind::ChangedFile {
                    flip(&path);
                } else {
                    std::fs::remove_file(&path).expect("removed");
                }
                let report = tampered(home, None);
                let found: Vec<_> = report
                    .findings
                    .listed
                    .iter()
                    .map(|finding| (finding.kind, finding.file.clone().expect("a file")))
                    .collect();
                let is_spare = kind == TamperKind::MissingFile && spare.contains(&name);
                let expected = (!is_spare).then(|| (kind, name.clone()));
                let expected = Vec::from_iter(expected);
                assert_eq!(found, expected, "{:#?}", words(&report));
            }
            std::fs::write(&path, bytes).expect("written");
        }
    }
    assert_eq!(tampered(home, None).findings.total(), 0);
}
