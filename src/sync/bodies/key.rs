//! Whether it is the key's fault, or one API's, that bodies are forbidden.

use super::super::RunError;
use super::super::run::Run;
use super::endpoints;

/// Finds out whether the key may read none of the APIs that the run is about, where one was forbidden to it.
///
/// GET can be granted per API (microcms-facts 2.2), so that one API that says no is no more than that. But an API that
/// owes nothing was not asked, and what was read in earlier runs says nothing of the key as it is now: those are asked,
/// for no body, until one is readable. Where all say no, nothing will come until a person acts.
pub(super) async fn look(run: &Run) -> Result<(), RunError> {
    let forbidden = {
        let sheet = run.sheet();
        if sheet.forbidden.is_empty() && !sheet.has_forbidden_draft {
            return Ok(());
        }
        sheet.forbidden.clone()
    };
    for row in endpoints(run).await? {
        if forbidden.contains_key(&row.endpoint) {
            continue;
        }
        match run.rooms.remote.may_read(&row.endpoint, row.kind).await {
            Err(err) if err.is_about_endpoint() => {
                run.sheet().forbidden.insert(row.endpoint, err.hint());
            }
            // Readable, or nothing is known: then the next run may tell.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
    run.sheet().may_read_nothing = true;
    Ok(())
}
