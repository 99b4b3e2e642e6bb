//! Missing from two proven walks in a row, and from no walk in between.

use super::tombstones;
use crate::support::{Expect as _, Sandbox};
use microcms_backup::model::ExitCode;
use microcms_sim::{Fault, Occasion, Route, Sim};

/// The one page of a listing of media that lacks one, with an announced number.
fn page_without(sim: &Sim, id: Option<&str>, total: usize) -> Fault {
    let truth = sim.truth();
    let listed = truth.media.iter().filter(|medium| Some(&*medium.id) != id);
    let items: Vec<&str> = listed.map(|medium| &*medium.listing).collect();
    let items = items.join(",");
    Fault::answer(format!(r#"{{"media":[{items}],"totalCount":{total}}}"#))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_that_was_seen_in_between_is_not_missing_twice_in_a_row() {
    let sim = Sim::builder().media(12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.media_ids()[5].clone();
    let lacks = || page_without(&sim, Some(&id), 11);
    for (page, code, marked) in [
        (lacks(), ExitCode::Complete, 0),
        // One more is announced than listed: it proves nothing, and has the medium.
        (page_without(&sim, None, 13), ExitCode::Partial, 0),
        (lacks(), ExitCode::Complete, 0),
        (lacks(), ExitCode::Complete, 1),
    ] {
        sim.fault(Route::Media, Occasion::Every, page);
        home.sync(&sim).await.expect_code(code);
        sim.clear_faults();
        assert_eq!(tombstones(&home, "media"), marked);
    }
}
