//! What the mirror promises, held against real folders.

mod group;
mod interruption;
mod looking;
mod moving;
mod publishing;
mod rehearsing;
mod removing;
mod resuming;
mod trouble;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::steps::Steps;
use super::*;
use crate::model::path::RelPath;

/// A mirror and its archive in a folder of their own.
struct Home {
    dir: TempDir,
}

impl Home {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn options(&self) -> Options {
        Options {
            root: self.root(),
            archive: self.archive(),
            file_mode: None,
            dir_mode: None,
        }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("mirror")
    }

    fn archive(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    fn open(&self) -> Mirror {
        Mirror::open(&self.options()).expect("the mirror opens")
    }

    fn open_with(&self, steps: &Steps) -> Mirror {
        Mirror::open_with(&self.options(), steps.clone()).expect("the mirror opens")
    }

    fn file(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.file(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    fn archived(&self, bytes: &[u8]) -> PathBuf {
        self.archive().join(archive_place(bytes))
    }

    /// The bytes at a path of the mirror.
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.file(path)).ok()
    }

    fn temporary_files(&self) -> Vec<PathBuf> {
        [self.root(), self.archive()]
            .iter()
            .flat_map(|root| files_below(&root.join(".tmp")))
            .collect()
    }

    /// Every archive file is named by its digest, whatever happened.
    fn assert_archive_is_sound(&self) {
        for file in files_below(&self.archive()) {
            if file.parent() == Some(&self.archive().join(".tmp")) {
                continue;
            }
            let digest = Digest::of(&fs::read(&file).unwrap());
            assert_eq!(
                file.file_name().unwrap().to_str().unwrap(),
                digest.to_string(),
                "{}",
                file.display()
            );
        }
    }
}

/// Where the archive keeps bytes: `ab/cd/abcd…`.
fn archive_place(bytes: &[u8]) -> PathBuf {
    let name = Digest::of(bytes).to_string();
    [
        &name.get(..2).unwrap(),
        &name.get(2..4).unwrap(),
        &name.as_str(),
    ]
    .iter()
    .collect()
}

fn rel(path: &str) -> RelPath {
    RelPath::parse(path).expect("a safe path")
}

fn was(path: &str, bytes: &[u8]) -> Superseded {
    Superseded {
        path: rel(path),
        sha256: Digest::of(bytes),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
