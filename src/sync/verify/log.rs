//! The database against the log of what this program wrote.

use super::Verify;
use crate::model::{Difference, DifferenceKind, Repair, TamperFinding, TamperKind, TamperReport};
use crate::sync::VerifyError;
use crate::sync::tamper::{RowsChecked, check_rows};

pub(super) async fn part(verify: &Verify) -> Result<(), VerifyError> {
    // What redaction took out, nobody changed.
    if verify.is_stopping() || verify.is_redacted {
        return Ok(());
    }
    let since = verify.options.since.clone();
    let checked = verify
        .ask(move |store| check_rows(store, since.as_ref()))
        .await;
    let report = match checked {
        Ok(RowsChecked::Done(report)) => report,
        Ok(RowsChecked::Ambiguous) => {
            let root = verify.options.since.as_ref();
            return Err(VerifyError::AmbiguousRoot {
                root: root.map_or_else(String::new, |root| root.as_str().to_owned()),
            });
        }
        Err(err) => {
            // A database that is damaged in parts: what the other checks found is the better news.
            if verify.sheet().differences == 0 {
                return Err(err);
            }
            let note = "the log of what was recorded could not be read";
            verify.sheet().notes.push(note.to_owned());
            return Ok(());
        }
    };
    record(verify, *report).await;
    Ok(())
}

async fn record(verify: &Verify, report: TamperReport) {
    let (listed, total) = (&report.findings.listed, report.findings.total());
    for finding in listed {
        verify
            .tell(difference(finding, verify.options.is_repair))
            .await;
    }
    let mut sheet = verify.sheet();
    let untold = total - listed.len() as u64;
    if untold > 0 {
        sheet.differences += untold;
        *sheet.kinds.entry(DifferenceKind::Tampered).or_default() += untold;
        sheet.notes.push(format!(
            "{untold} more differences from the log are counted and not named"
        ));
    }
    let database = &mut sheet.database;
    database.checked += 1;
    if total == 0 {
        database.good += 1;
    } else {
        database.different += 1;
    }
    sheet.log = Some(report);
}

fn remedy(kind: TamperKind) -> &'static str {
    if kind == TamperKind::UnknownRoot {
        "check the digits; if they are right, this is not the database that they were taken from"
    } else {
        "something else than this program changed it: compare with a snapshot, and restore the newest whole copy"
    }
}

fn difference(finding: &TamperFinding, is_repair: bool) -> Difference {
    let words = finding.kind.words();
    let (thing, place) = match &finding.version {
        Some(version) => {
            let scope = match version.scope.as_str() {
                "" => String::new(),
                scope => format!("{scope}/"),
            };
            let (kind, id) = (version.kind.as_str(), &version.id);
            let thing = format!(
                "{words}: {kind} {scope}{id}, version of {}",
                version.valid_from
            );
            (thing, "database".to_owned())
        }
        None => (words.to_owned(), "log".to_owned()),
    };
    let expected = match finding.run_id {
        Some(run) if finding.version.is_some() => format!("what run {run} had proven"),
        Some(_) | None => "what this program recorded".to_owned(),
    };
    Difference {
        kind: DifferenceKind::Tampered,
        thing,
        place,
        expected,
        found: finding.text.clone(),
        remedy: remedy(finding.kind).to_owned(),
        repair: is_repair.then_some(Repair::Impossible),
    }
}
