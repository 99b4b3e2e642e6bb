use clap::Parser as _;
use std::cell::Cell;
use std::fs::{self, File};
use std::time::SystemTime;

use super::*;
use crate::cli::args::{Cli, Command};
use crate::store::{Mode, Options};

#[test]
fn rows_that_changed_while_they_were_read_are_read_again_before_anything_is_removed() {
    let home = tempfile::tempdir().expect("a folder");
    let (database, folder) = (home.path().join("backup.sqlite3"), home.path().join("out"));
    let now = Timestamp::from_unix_millis(1_700_000_000_000);
    let options = Options {
        path: database.clone(),
        service_id: "my-service".to_owned(),
        mode: Mode::ReadWrite,
    };
    let store = Store::open(&options, now).expect("a new database");
    store.close().expect("closed");
    let env = [
        ("MICROCMS_SERVICE_ID", "my-service"),
        (
            "MICROCMS_BACKUP__STORAGE__DATABASE",
            &database.display().to_string(),
        ),
    ];
    let sources = Sources {
        env: env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Sources::default()
    };
    let config = config::load(&sources).expect("a configuration");
    let line = ["microcms-backup", "export", &folder.display().to_string()];
    let Command::Export(args) = Cli::try_parse_from(line).expect("a command").command else {
        panic!("not an export");
    };

    let list = || fs::read_dir(&folder).map_or(0, Iterator::count);
    let (tries, seen) = (Cell::new(0), Cell::new(0));
    let filled = look(&config, |store| {
        seen.set(list());
        let filled = fill_folder(&args, &config, store, now)?;
        tries.set(tries.get() + 1);
        if tries.get() == 1 {
            // Somebody writes in this moment.
            let file = File::options().write(true).open(&database).expect("a file");
            file.set_modified(SystemTime::UNIX_EPOCH).expect("touched");
        }
        Ok(filled)
    });
    let manifest = folder.join(".microcms-backup-export.json");
    assert!(tries.get() == 2 && seen.get() > 0);
    assert!(
        !manifest.exists(),
        "it was finished before its rows were certain"
    );
    filled
        .unwrap_or_else(|failure| panic!("{}", failure.line()))
        .and_then(Filled::finish)
        .unwrap_or_else(|failure| panic!("{}", failure.line()));
    assert!(manifest.exists());
}
