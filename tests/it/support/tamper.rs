//! Tamper evidence: what a check of a home finds.

use super::Sandbox;
use microcms_backup::model::{RootPrefix, TamperReport};
use microcms_backup::store;
use microcms_backup::sync::{RowsChecked, check_rows};

/// Compares the rows with what was recorded.
pub(crate) fn tampered_rows(home: &Sandbox, since: Option<&str>) -> TamperReport {
    let since = since.map(|root| RootPrefix::parse(root).expect("a root"));
    let service = home
        .texts("SELECT value FROM meta WHERE key = 'service_id'")
        .concat();
    let checked = store::view(&home.database(), &service, |store| {
        check_rows(store, since.as_ref())
    });
    match checked.expect("rows that can be read").expect("a database") {
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
