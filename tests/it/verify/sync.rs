//! What a run does about what `verify` found.

use super::{assert_verified, backed_up, file_of, flip, named, status, verify};
use crate::support::{Expect as _, Program, Sandbox, Setup, assert_holds, files};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_the_same_length_that_verify_found_is_healed_by_the_next_run() {
    let (sim, home) = backed_up(6).await;
    let ids = sim.media_ids();
    flip(&file_of(&home, &ids[0]));
    fs::remove_file(file_of(&home, &ids[1])).expect("removed");
    // Two of them name it.
    for _ in 0..2 {
        assert_eq!(verify(&home, &sim, &["--subset", "1/1"]).0, 6);
    }
    assert_eq!(status(&home, &sim).0, 6);
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let plan = home.sync_with(&sim, dry).await;
    let line = &plan.verdict.line;
    assert!(
        line.contains("would fetch 1 file, read again 1 file;"),
        "{line}"
    );
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.assets.saved, report.notes.len()), (2, 0));
    assert_eq!(sim.counters().assets(), 2, "only what is wrong is fetched");
    let (code, text) = status(&home, &sim);
    assert_eq!(code, 0, "{text}");
    assert_eq!(home.count("SELECT count(*) FROM wrong_files"), 0);
    assert_holds(&home, &sim.truth());
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_back_meanwhile_is_not_fetched() {
    let (sim, home) = backed_up(3).await;
    let file = file_of(&home, &sim.media_ids()[0]);
    flip(&file);
    assert_eq!(verify(&home, &sim, &[]).0, 6);
    flip(&file);
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.assets.saved, sim.counters().assets()), (0, 0));
    assert_eq!(status(&home, &sim).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_file_that_cannot_be_had_keeps_the_run_from_being_complete() {
    let (sim, home) = backed_up(3).await;
    let file = file_of(&home, &sim.media_ids()[0]);
    flip(&file);
    let damaged = fs::read(&file).expect("read");
    assert_eq!(verify(&home, &sim, &[]).0, 6);
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::status(404, "not there"));
    }
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert!(!report.verdict.safe);
    let (code, text) = status(&home, &sim);
    assert!(code == 6 && text.contains("1 file failed"), "{text}");
    assert_eq!(fs::read(&file).expect("read"), damaged, "it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_not_forgotten_where_the_file_is_owed_for_another_reason() {
    let (sim, home) = backed_up(3).await;
    let id = sim.media_ids()[0].clone();
    flip(&file_of(&home, &id));
    assert_eq!(verify(&home, &sim, &[]).0, 6);
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::status(404, "not there"));
    }
    // All files are asked for, whole or not; none comes.
    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    home.sync_with(&sim, full)
        .await
        .expect_code(ExitCode::Partial);
    let why = format!("SELECT why FROM assets WHERE media_id = '{id}'");
    assert_eq!(home.texts(&why), ["damaged"]);
    // And then it cannot be had any more.
    sim.edit(Edit::DeleteMedium { id }).expect("edited");
    sim.clear_faults();
    for _ in 0..3 {
        let impatient = Setup {
            is_impatient: true,
            ..Setup::default()
        };
        home.sync_with(&sim, impatient)
            .await
            .expect_code(ExitCode::Partial);
    }
    assert_eq!(status(&home, &sim).0, 6);
    assert_eq!(verify(&home, &sim, &[]).0, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_can_do_nothing_about_is_told_by_it() {
    let (sim, home) = backed_up(3).await;
    fs::write(home.path("mirror").join("stray.txt"), "x").expect("written");
    let deleted = sim.media_ids()[0].clone();
    flip(&file_of(&home, &deleted));
    sim.edit(Edit::DeleteMedium { id: deleted })
        .expect("edited");
    home.sync(&sim).await;
    home.sync(&sim).await.expect_complete();
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!((code, named(&json).len()), (6, 2), "{json:#}");
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_complete();
        let expected = "`verify` found 2 differences that nobody made good: run `verify --repair`; what it names then wants a person; `status` is UNSAFE until none is left";
        assert_eq!(report.notes, [expected]);
        assert_eq!(status(&home, &sim).0, 6);
    }
    // What a repair has left, another one leaves as well.
    assert_eq!(verify(&home, &sim, &["--repair"]).0, 6);
    let report = home.sync(&sim).await.expect_complete();
    let (_, told) = status(&home, &sim);
    for told in [&report.notes.concat(), &told] {
        let expected = "wants a person: run `verify` and do what it says of each, such as moving an unknown file away; then run \
                        it again";
        assert!(
            told.contains(expected) && !told.contains("run `verify --repair`"),
            "{told}"
        );
    }
    fs::remove_file(home.path("mirror").join("stray.txt")).expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_lost_its_medium_meanwhile_stays_a_difference() {
    let (sim, home) = backed_up(3).await;
    let id = sim.media_ids()[0].clone();
    flip(&file_of(&home, &id));
    assert_eq!(verify(&home, &sim, &[]).0, 6);
    meddle_deleted(&home, &sim, id).await;
    assert_eq!(status(&home, &sim).0, 6);
    assert_eq!(verify(&home, &sim, &[]).0, 6);
    assert_eq!(files(&home.path("mirror")).len(), 3, "nothing is removed");
}

/// Deletes a medium upstream; the runs that see it do not look at files.
async fn meddle_deleted(home: &Sandbox, sim: &Sim, id: String) {
    sim.edit(Edit::DeleteMedium { id }).expect("edited");
    for _ in 0..2 {
        let output = Program::command(&["sync", "--only", "media"], home, sim).run();
        assert!(output.status.code().is_some());
    }
    home.sync(sim).await.expect_complete();
    assert_eq!(home.count("SELECT count(*) FROM wrong_files"), 0);
}
