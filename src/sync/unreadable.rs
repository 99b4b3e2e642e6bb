//! What is listed and cannot be read: named, while everything else is backed up.

use super::run::Run;
use crate::model::ProblemKind;
use crate::remote::IdSet;
use tracing::warn;

/// How many are named in the program's log; all are counted.
const NAMED: u64 = 20;

/// What one listing has of that kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Unreadable {
    ids: IdSet,
    example: String,
}

/// Notes one thing of a listing; once, however often a walk begins again.
pub(super) fn note(run: &Run, scope: &str, id: &str, why: &str) {
    note_as(run, scope, id, &format!("`{id}`"), why);
}

/// Notes an item without an id in the same way. `key` tells it from others and is not shown; `place`
/// is where in the listing it stands, counted from 0.
pub(super) fn note_odd(run: &Run, scope: &str, key: &str, place: u64, why: &str) {
    note_as(run, scope, key, &format!("item {}", place + 1), why);
}

fn note_as(run: &Run, scope: &str, key: &str, name: &str, why: &str) {
    let mut sheet = run.sheet();
    let listing = sheet.unreadable.entry(scope.to_owned()).or_default();
    if !listing.ids.insert(key) {
        return;
    }
    if listing.ids.len() == 1 {
        listing.example = format!("{name}: {why}");
    }
    if listing.ids.len() <= NAMED {
        warn!(scope, "{scope}: {name} is listed, but {why}");
    }
}

/// Makes a problem of each listing that has something of that kind: what is recorded of it is not what
/// the service has.
pub(super) fn account(run: &Run) {
    let listings = std::mem::take(&mut run.sheet().unreadable);
    for (scope, Unreadable { ids, example }) in listings {
        let message = format!(
            "{} of what is listed cannot be read and is not recorded as it is, for example {example}",
            ids.len()
        );
        run.problem(ProblemKind::Owed, &scope, message, None);
    }
}
