//! Roots: who has one, what they anchor, and a history that was written anew.

use super::Scene;
use crate::prune::world::far;
use crate::support::{Expect as _, Sandbox, Setup, assert_untampered, tampered_rows};
use microcms_backup::model::{Cutoffs, ExitCode, TamperKind};
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use rusqlite::Connection;

#[tokio::test(flavor = "multi_thread")]
async fn each_complete_run_has_a_root_of_its_own_and_no_other_run_has_one() {
    let sim = Sim::builder().media(3).list_api("blog", 3).start().await;
    let home = Sandbox::new();
    let first = home
        .sync(&sim)
        .await
        .expect_complete()
        .proof
        .expect("a root");
    let second = home
        .sync(&sim)
        .await
        .expect_complete()
        .proof
        .expect("a root");
    // Nothing new was recorded, and yet the second says that all of it was proven once more.
    assert_eq!(first.log_size, second.log_size);
    assert_eq!(first.log_size, home.count("SELECT count(*) FROM leaves"));
    assert_ne!(first.root, second.root);
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    assert_eq!(home.sync_with(&sim, dry).await.proof, None);
    sim.fault(
        Route::Media,
        Occasion::Range(1, 99),
        Fault::status(503, "no"),
    );
    let report = home.sync(&sim).await;
    assert_ne!(report.exit_code, 0);
    assert_eq!(report.proof, None);
    sim.clear_faults();
    let part = Setup {
        only: Only {
            media: true,
            contents: false,
            assets: false,
        },
        ..Setup::default()
    };
    let report = home.sync_with(&sim, part).await.expect_complete();
    let third = report.proof.expect("a root");
    let stored = home.texts("SELECT root FROM runs WHERE root IS NOT NULL ORDER BY id");
    let told = [first, second, third].map(|proof| proof.root.to_string());
    assert_eq!(stored, told);
    // The tree is written down once, not once a run.
    assert_eq!(home.count("SELECT count(log_peaks) FROM runs"), 1);
    for root in &told {
        assert_eq!(tampered_rows(&home, Some(root)).findings.total(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_was_kept_tells_a_history_written_anew_from_the_true_one() {
    let scene = Scene::new().await;
    let (home, sim) = (scene.home(), &scene.world.sim);
    let early = &home.texts("SELECT root FROM runs WHERE root IS NOT NULL ORDER BY id")[0];
    let kept = home
        .sync(sim)
        .await
        .expect_complete()
        .proof
        .expect("a root");
    let kept = kept.root.to_string();
    let report = tampered_rows(home, Some(&kept));
    assert_eq!(report.findings.total(), 0);
    assert_eq!(report.since.expect("a run").root.to_string(), kept);
    // Somebody goes back to before, and lets the program itself record something else: all of it fits, but
    // for the root.
    scene.restore();
    let id = sim.media_ids()[0].clone();
    sim.edit(Edit::SetAlt {
        id,
        alt: Some("forged".into()),
        touch: true,
    })
    .expect("edited");
    home.sync(sim).await.expect_complete();
    assert_untampered(home);
    let report = tampered_rows(home, Some(&kept));
    assert_eq!(
        report.findings.counts.keys().collect::<Vec<_>>(),
        [&TamperKind::UnknownRoot]
    );
    assert!(report.findings.listed[0].text.contains(&kept), "{report:?}");
    // What both have in common is still anchored by an earlier root, given by its beginning.
    let begin: String = early.chars().take(12).collect();
    assert_eq!(tampered_rows(home, Some(&begin)).findings.total(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prune_removed_is_no_finding_and_is_counted_since_a_root() {
    let scene = Scene::new().await;
    let home = scene.home();
    let root = home
        .texts("SELECT root FROM runs ORDER BY id DESC LIMIT 1")
        .remove(0);
    let before = tampered_rows(home, Some(&root));
    assert_eq!((before.pruned_since, before.findings.total()), (0, 0));
    let everything = Cutoffs {
        superseded_before: Some(far()),
        deleted_before: Some(far()),
    };
    let report = scene.world.prune(everything).await;
    assert_eq!(report.exit_code, ExitCode::Complete.code());
    let after = tampered_rows(home, Some(&root));
    assert_eq!(after.findings.total(), 0, "{:#?}", after.findings.listed);
    assert!(after.pruned_since > 0);
    assert_eq!(after.pruned_since, before.versions - after.versions);
    assert_eq!(
        after.unproven_entries, after.pruned_since,
        "no run proved the removals yet"
    );
    // The same removal by hand would have been one: the log says who did it.
    home.sync(&scene.world.sim).await.expect_complete();
    assert_eq!(tampered_rows(home, Some(&root)).unproven_entries, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_somebody_edited_leaves_a_wrong_head() {
    let scene = Scene::new().await;
    Connection::open(scene.home().database())
        .expect("it opens")
        .execute_batch(
            "UPDATE runs SET log_peaks = CAST(zeroblob(length(log_peaks)) AS BLOB) WHERE log_peaks IS NOT NULL",
        )
        .expect("edited");
    let id = scene.world.sim.media_ids()[0].clone();
    scene.world.edit(Edit::TouchMedium { id });
    scene.home().sync(&scene.world.sim).await.expect_complete();
    let report = tampered_rows(scene.home(), None);
    assert_eq!(
        report.findings.counts.keys().collect::<Vec<_>>(),
        [&TamperKind::Log]
    );
}
