//! The database against itself.

use super::Verify;
use crate::model::{Difference, DifferenceKind, Repair};
use crate::store::{DatabaseCheck, Flaw};
use crate::sync::VerifyError;

pub(super) async fn part(verify: &Verify) -> Result<(), VerifyError> {
    let is_repair = verify.options.is_repair;
    for check in DatabaseCheck::ALL {
        if verify.is_stopping() {
            break;
        }
        let now = (verify.options.now)();
        let flaws = verify
            .ask(move |store| store.check_soundness(check, now))
            .await?;
        {
            let checked = &mut verify.sheet().database;
            checked.checked += 1;
            if flaws.is_empty() {
                checked.good += 1;
            } else {
                checked.different += 1;
            }
        }
        for flaw in flaws {
            verify.tell(difference(flaw, is_repair)).await;
        }
        verify.say();
    }
    note_clock(verify).await;
    Ok(())
}

/// Says that runs dated what they recorded by a clock that was ahead: no difference, and nothing that a person could undo.
async fn note_clock(verify: &Verify) {
    let now = (verify.options.now)();
    // What cannot be read was named by the checks.
    let Ok(Some(until)) = verify.ask(move |store| store.clock_was_ahead(now)).await else {
        return;
    };
    let note = format!(
        "a run had a clock that was ahead, and took it to be {until}: what it recorded is dated so, and answers about a time \
         (`--at`) are off until then"
    );
    verify.sheet().notes.push(note);
}

fn difference(flaw: Flaw, is_repair: bool) -> Difference {
    let remedy = if flaw.kind == DifferenceKind::Structure {
        "keep the file, and restore the newest copy of it, or rescue it with `sqlite3 FILE .recover`"
    } else if flaw.kind == DifferenceKind::Schema {
        "somebody changed the schema: restore the newest copy of the database, or undo the change"
    } else {
        "something else than this program wrote this row: restore the newest copy of the database, or correct the \
         row by hand"
    };
    Difference {
        kind: flaw.kind,
        thing: flaw.thing,
        place: flaw.place,
        expected: flaw.expected,
        found: flaw.found,
        remedy: remedy.to_owned(),
        repair: is_repair.then_some(Repair::Impossible),
    }
}
