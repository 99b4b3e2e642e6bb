//! What other URLs for the same files cost: a custom domain, shared and swapped paths.

use super::{MEDIA, assert_quiet, at, backed_up, in_2_days, replace, rows_of, size};
use crate::support::{Bill, Expect as _, Setup, assert_holds, assert_sound_and_tidy, files};
use microcms_backup::model::{ExitCode, RelPath};
use microcms_sim::Edit;

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_domain_moves_every_file_and_downloads_none() {
    for touch in [false, true] {
        let (sim, home, _) = backed_up(false).await;
        sim.edit(Edit::SwitchAssetHosts { touch }).expect("edited");
        let custom = || Setup {
            extra_hosts: vec![sim.custom_image_host(), sim.custom_file_host()],
            ..Setup::default()
        };
        let (report, bill) = home.billed(&sim, custom()).await;
        let report = report.expect_complete();
        // The stamp asks for a look, and for no more: the new host knows the old one's `ETag`.
        let looks = if touch { MEDIA } else { 0 };
        assert_eq!(
            (bill.requests, bill.conditional, bill.bytes),
            (looks, looks, 0),
            "touch: {touch}"
        );
        assert_eq!(report.assets.moved + report.assets.unchanged, MEDIA);
        assert_eq!(bill.rows, rows_of(MEDIA, MEDIA, 2 * MEDIA));
        assert_eq!(files(&home.path("archive")).len(), 0);
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        assert_quiet(&home, &sim, custom(), "a custom domain").await;
        let later = Setup {
            now: in_2_days,
            ..custom()
        };
        let (report, bill) = home.billed(&sim, later).await;
        report.expect_complete();
        assert_eq!(bill.bytes, 0, "touch: {touch}: a day later");
        // And back.
        sim.edit(Edit::SwitchAssetHosts { touch: false })
            .expect("edited");
        let (report, bill) = home.billed(&sim, at(in_2_days)).await;
        report.expect_complete();
        assert_eq!((bill.requests, bill.bytes), (0, 0), "touch: {touch}: back");
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_domain_that_is_not_allowed_yet_asks_nobody_and_loses_nothing() {
    let (sim, home, images) = backed_up(true).await;
    sim.edit(Edit::SwitchAssetHosts { touch: false })
        .expect("edited");
    let saved = home.saved_bytes(&images[0]);
    assert!(saved.is_some());
    for _ in 0..2 {
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        let report = report.expect_code(ExitCode::Partial);
        assert_eq!((bill.requests, bill.bytes), (0, 0));
        assert_eq!((report.assets.owed, report.assets.moved), (MEDIA, 0));
        let hints: Vec<&str> = report
            .problems
            .iter()
            .filter_map(|problem| problem.hint.as_deref())
            .filter(|hint| hint.contains("assets.hosts"))
            .collect();
        assert!(!hints.is_empty(), "{:#?}", report.problems);
        assert_eq!(files(&home.path("mirror")).len() as u64, MEDIA);
    }
    let custom = Setup {
        extra_hosts: vec![sim.custom_image_host(), sim.custom_file_host()],
        ..Setup::default()
    };
    let (report, bill) = home.billed(&sim, custom).await;
    let report = report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (0, 0));
    assert_eq!(report.assets.moved, MEDIA);
    assert_eq!(home.saved_bytes(&images[0]), saved);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_is_taken_back_before_its_files_moved_vouches_for_no_lost_file() {
    let (sim, home, images) = backed_up(true).await;
    let listing = || Setup {
        only: microcms_backup::sync::Only {
            media: true,
            contents: false,
            assets: false,
        },
        ..Setup::default()
    };
    sim.edit(Edit::SwitchAssetHosts { touch: false })
        .expect("edited");
    home.sync_with(&sim, listing()).await;
    sim.edit(Edit::SwitchAssetHosts { touch: false })
        .expect("edited");
    let path = home.texts(&format!(
        "SELECT path FROM assets WHERE media_id = '{}'",
        images[0]
    ));
    std::fs::remove_file(home.path("mirror").join(&path[0])).expect("removed");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(
        (bill.requests, bill.bytes),
        (1, size(&sim, &images[0])),
        "the lost file alone"
    );
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_media_that_swap_their_urls_cost_their_bytes_once_and_keep_them() {
    let (sim, home, images) = backed_up(true).await;
    let path = |id: &str| -> String {
        let url = sim.truth().medium(id).expect("a medium").url.clone();
        url.splitn(4, '/')
            .last()
            .map(|path| format!("/{path}"))
            .expect("a path")
    };
    let (a, b) = (path(&images[0]), path(&images[1]));
    for round in 1..=3_u64 {
        let (first, second) = if round % 2 == 1 { (&b, &a) } else { (&a, &b) };
        for (id, path) in [(&images[0], first), (&images[1], second)] {
            sim.edit(Edit::SetMediumPath {
                id: id.clone(),
                path: path.clone(),
                touch: true,
            })
            .expect("edited");
        }
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        let bytes = size(&sim, &images[0]) + size(&sim, &images[1]);
        assert_eq!((bill.requests, bill.bytes), (2, bytes), "{round}");
        // Whoever comes while the other one has its place is put aside, and goes home at the end of the run: one
        // version more, of one or of both.
        let rows = [(6, 3, 5), (8, 4, 6)].map(|(updates, versions, entries)| {
            Bill::of_rows(&[
                ("media: update", 2),
                ("media_history: insert", 2),
                ("assets: update", updates),
                ("assets_history: insert", versions),
                ("leaves: insert", entries),
            ])
        });
        assert!(rows.contains(&bill.rows), "{round}: {:?}", bill.rows);
        for id in &images[..2] {
            let url = sim.truth().medium(id).expect("a medium").url.clone();
            let path = RelPath::for_url(&url).expect("a path");
            let held = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"));
            assert_eq!(held, [path.as_str()], "{round}");
        }
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        assert_quiet(&home, &sim, Setup::default(), "a swap").await;
    }
    assert_eq!(
        files(&home.path("archive")).len(),
        1,
        "no bytes were superseded but those that proved the host"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_media_with_one_url_are_each_asked_for_once_and_move_together() {
    let (sim, home, images) = backed_up(true).await;
    let url = sim
        .truth()
        .medium(&images[0])
        .expect("a medium")
        .url
        .clone();
    let path = url.splitn(4, '/').last().map(|path| format!("/{path}"));
    sim.edit(Edit::SetMediumPath {
        id: images[1].clone(),
        path: path.expect("a path"),
        touch: true,
    })
    .expect("edited");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (1, size(&sim, &images[1])));
    // The other one's URL serves other bytes by now, and its listing says nothing of it.
    for id in &images[..2] {
        sim.edit(replace(id, true, 0)).expect("edited");
    }
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill.requests, 2);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    sim.edit(Edit::SwitchAssetHosts { touch: false })
        .expect("edited");
    let custom = || Setup {
        extra_hosts: vec![sim.custom_image_host(), sim.custom_file_host()],
        ..Setup::default()
    };
    let (report, bill) = home.billed(&sim, custom()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (0, 0));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_quiet(&home, &sim, custom(), "a shared URL").await;
}
