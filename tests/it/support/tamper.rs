//! Tamper evidence: what a check of a home finds.

use super::{Sandbox, now};
use microcms_backup::mirror::{self, Reader};
use microcms_backup::model::{RootPrefix, TamperReport};
use microcms_backup::store::{self, Store, StoreError};
use microcms_backup::sync::{Look, RowsChecked, check_files, check_rows};

impl Look for Sandbox {
    type Error = StoreError;

    fn look<T>(&self, ask: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let service: String = self
            .sql()
            .query_row(
                "SELECT value FROM meta WHERE key = 'service_id'",
                [],
                |row| row.get(0),
            )
            .expect("whose it is");
        store::view(&self.database(), &service, ask).map(|seen| seen.expect("a database"))
    }
}

/// Compares rows and files with what was recorded.
pub(crate) fn tampered(home: &Sandbox, since: Option<&str>) -> TamperReport {
    let mut report = tampered_rows(home, since);
    let options = mirror::Options {
        root: home.path("mirror"),
        archive: home.path("archive"),
        file_mode: None,
        dir_mode: None,
    };
    let files = Reader::open(&options).expect("a mirror");
    let read = check_files(home, &files, &mut report.findings);
    report.files = Some(read.unwrap_or_else(|err| panic!("{err:?}")));
    report
}

/// Compares the rows alone.
pub(crate) fn tampered_rows(home: &Sandbox, since: Option<&str>) -> TamperReport {
    let since = since.map(|root| RootPrefix::parse(root).expect("a root"));
    let checked = home
        .look(|store| check_rows(store, since.as_ref(), now()))
        .expect("rows that can be read");
    match checked {
        RowsChecked::Done(report) => *report,
        RowsChecked::Ambiguous => panic!("an ambiguous root"),
    }
}

/// No row is other than this program left it.
#[track_caller]
pub(crate) fn assert_untampered(home: &Sandbox) {
    let findings = tampered_rows(home, None).findings;
    assert_eq!(findings.total(), 0, "{:#?}", findings.listed);
}
