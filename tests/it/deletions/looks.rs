//! A second look at a file whose medium is about to be marked as deleted: its host has it no more, which is no debt.

use super::tombstones;
use crate::support::{Expect as _, Sandbox, Setup, now, replace_bytes};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::time::Duration;

async fn backup_of_three() -> (Sim, Sandbox, String) {
    let sim = Sim::builder().media(3).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.media_ids()[1].clone();
    (sim, home, id)
}

fn delete(sim: &Sim, id: &str) {
    sim.edit(Edit::DeleteMedium { id: id.to_owned() })
        .expect("deleted");
}

fn state(home: &Sandbox, id: &str) -> String {
    let sql = format!(
        "SELECT state || ' ' || coalesce(why, '-') || ' ' || (recheck_at IS NOT NULL) FROM assets WHERE media_id = '{id}'"
    );
    home.texts(&sql).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_with_its_medium_leaves_no_run_incomplete() {
    let (sim, home, id) = backup_of_three().await;
    delete(&sim, &id);
    let report = home.sync_with(&sim, Setup::full()).await.expect_complete();
    assert_eq!((report.media.missing, report.media.deleted), (1, 0));
    assert_eq!(report.assets.failed, 0, "it is no failure either");
    assert_eq!(state(&home, &id), "saved - 1", "the look is due again");
    let held = home.saved_bytes(&id);

    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.media.deleted, 1);
    assert!(held.is_some() && home.saved_bytes(&id) == held);
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        sim.counters().of(Route::Image) + sim.counters().of(Route::File),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_that_is_listed_again_is_looked_at_again() {
    let (sim, home, id) = backup_of_three().await;
    let truth = sim.truth();
    let listed = truth.media.iter().filter(|medium| *medium.id != *id);
    let items: Vec<&str> = listed.map(|medium| &*medium.listing).collect();
    let page = Fault::answer(format!(
        r#"{{"media":[{}],"totalCount":2}}"#,
        items.join(",")
    ));
    sim.fault(Route::Media, Occasion::Every, page);
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::status(404, "not there"));
    }
    // Two files are listed, and their hosts do not have them: that is a debt.
    let report = home
        .sync_with(&sim, Setup::full())
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!((report.media.missing, report.failed_total), (1, 2));
    assert_eq!(state(&home, &id), "saved - 1");
    sim.clear_faults();

    // Its attempt is planned for later, as that of the others.
    let setup = Setup {
        is_impatient: true,
        now: || now().plus(Duration::from_hours(20)),
        ..Setup::default()
    };
    let report = home.sync_with(&sim, setup).await.expect_complete();
    assert_eq!((report.media.missing, report.assets.unchanged), (0, 3));
    assert_eq!(state(&home, &id), "saved - 0");
    assert_eq!(tombstones(&home, "media"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_never_had_stay_owed_until_the_medium_is_marked() {
    let (sim, home, id) = backup_of_three().await;
    replace_bytes(&sim, &id);
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::status(404, "not there"));
    }
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    delete(&sim, &id);
    // What it was last was not saved, and whether it is gone is not known yet.
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.media.deleted, report.assets.failed), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_is_called_off_leaves_no_lost_file_unseen() {
    let (sim, home, id) = backup_of_three().await;
    let file = home.saved_path(&id).expect("saved");
    std::fs::remove_file(&file).expect("removed");
    delete(&sim, &id);
    // All files are asked for before anybody looks whether they are there.
    let report = home
        .sync_with(&sim, Setup::full())
        .await
        .expect_code(ExitCode::Partial);
    let said = &report.problems[0].message;
    assert!(said.contains("1 file is missing from the mirror"), "{said}");
    assert_eq!(state(&home, &id), "owed missing 1");
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.media.deleted, 1);
    let said = &report.problems[0].message;
    assert!(said.contains("1 saved file of a deleted medium"), "{said}");
}
