//! Files that change: what is fetched again, moved or kept, and what is believed of hosts meanwhile.

use crate::assets::{add, answer, png};
use crate::support::{
    Expect as _, Sandbox, Setup, archived, assert_holds, assert_sound, assert_sound_and_tidy,
    digest,
};
use microcms_backup::model::ExitCode;
use microcms_sim::{AssetOptions, Edit, Occasion, Route, Sim};

#[tokio::test(flavor = "multi_thread")]
async fn new_bytes_under_the_same_url_take_the_place_and_the_old_ones_go_to_the_archive() {
    let sim = Sim::builder().media(3).start().await;
    let id = add(&sim, "logo.png", Some(&png(100)));
    let home = Sandbox::new();
    let first = home.sync(&sim).await.expect_complete();

    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(200)),
        touch: true,
        stale_requests: 0,
    })
    .expect("edited");
    sim.forget_requests();
    let second = home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 1);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));

    // And back again: the archive has those bytes already.
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(100)),
        touch: true,
        stale_requests: 0,
    })
    .expect("edited");
    let third = home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(archived(&home, &digest(&png(200))), Some(png(200)));
    for (report, bytes) in [(&first, 100), (&second, 200), (&third, 100)] {
        assert_eq!(
            at_time(&home, &id, &report.finished_at.to_string()),
            [digest(&png(bytes))]
        );
    }
    assert_eq!(at_time(&home, &id, &first.started_at.to_string()), [""; 0]);
}

/// What the timeline says a file's digest was.
fn at_time(home: &Sandbox, id: &str, time: &str) -> Vec<String> {
    home.texts(&format!(
        "SELECT sha256 FROM assets_timeline WHERE media_id = '{id}'
         AND valid_from <= '{time}' AND (valid_to IS NULL OR '{time}' < valid_to)"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_change_of_bytes_is_found_when_a_full_run_asks() {
    let sim = Sim::builder().media(10).start().await;
    let id = add(&sim, "logo.png", Some(&png(100)));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // Without an `alt` the listing does not show that anything happened.
    sim.edit(Edit::SetAlt {
        id: id.clone(),
        alt: None,
        touch: false,
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(120)),
        touch: false,
        stale_requests: 0,
    })
    .expect("edited");
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);

    let full = Setup::full();
    let report = home.sync_with(&sim, full).await.expect_complete();
    assert_eq!((report.assets.saved, report.assets.unchanged), (1, 10));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_description_costs_one_conditional_request_and_no_bytes() {
    for options in [
        AssetOptions::default(),
        AssetOptions {
            etag: false,
            ..AssetOptions::default()
        },
        AssetOptions {
            last_modified: false,
            ..AssetOptions::default()
        },
    ] {
        let sim = Sim::builder().media(5).assets(options).start().await;
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let ids = sim.media_ids();
        for (id, touch) in ids.iter().zip([true, false]) {
            sim.edit(Edit::SetAlt {
                id: id.clone(),
                alt: Some("new".into()),
                touch,
            })
            .expect("edited");
        }
        sim.edit(Edit::SetTags {
            id: ids[2].clone(),
            tags: vec!["t".into()],
            touch: true,
        })
        .expect("edited");
        sim.forget_requests();
        let report = home.sync(&sim).await.expect_complete();
        assert_eq!(sim.counters().statuses.get(&304), Some(&3));
        assert_eq!(
            (
                sim.counters().assets(),
                report.assets.unchanged,
                report.assets.bytes
            ),
            (3, 3, 0)
        );
        assert_eq!(home.count("SELECT count(*) FROM assets_history"), 0);
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_moves_the_file_and_keeps_one_copy_of_the_bytes() {
    let sim = Sim::builder().media(30).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids = sim.media_ids();
    for (n, id) in ids.iter().take(6).enumerate() {
        sim.edit(Edit::RenameMedium {
            id: id.clone(),
            name: format!("写真 {n}+@.png"),
            touch: n % 2 == 0,
        })
        .expect("edited");
    }
    for id in ids.iter().skip(6).take(3) {
        sim.edit(Edit::ReplaceUnderNewUrl {
            id: id.clone(),
            bytes: None,
        })
        .expect("edited");
    }
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 9);
    assert_eq!(home.count("SELECT count(*) FROM assets_history"), 9);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(
        crate::support::files(&home.path("archive")).len(),
        3,
        "same bytes are no second version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_flips_back_and_forth_leaves_one_file_and_its_whole_history() {
    let sim = Sim::builder().media(4).start().await;
    let home = Sandbox::new();
    let id = sim.media_ids()[0].clone();
    for round in 0..4 {
        let name = if round % 2 == 0 { "a.png" } else { "b.png" };
        sim.edit(Edit::RenameMedium {
            id: id.clone(),
            name: name.into(),
            touch: true,
        })
        .expect("edited");
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        let path = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"));
        assert!(path[0].ends_with(name), "{path:?}");
    }
    assert_eq!(home.count("SELECT count(*) FROM assets_history"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_for_every_url_brings_the_files_along() {
    let service = || Sim::builder().seed(11).media(40);
    let (before, after) = (service().start().await, service().start().await);
    let home = Sandbox::new();
    home.sync(&before).await.expect_complete();
    home.sync(&after).await.expect_complete();
    assert_holds(&home, &after.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(
        crate::support::files(&home.path("archive")).len(),
        0,
        "no bytes were superseded"
    );
    home.sync(&before).await.expect_complete();
    assert_holds(&home, &before.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_media_with_one_url_each_keep_a_file() {
    let sim = Sim::builder().media(3).start().await;
    let ids: Vec<String> = (0..3)
        .map(|_| add(&sim, "shared.png", Some(&png(64))))
        .collect();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    let own = home.count("SELECT count(*) FROM assets WHERE path LIKE '%/assets/s/shared.png'");
    assert_eq!(own, 1, "one of them has the URL's own path");

    for id in &ids {
        sim.edit(Edit::ReplaceBytes {
            id: id.clone(),
            bytes: Some(png(65)),
            touch: true,
            stale_requests: 0,
        })
        .expect("edited");
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    let paths = || home.texts("SELECT path FROM assets ORDER BY media_id");
    let settled = paths();
    let full = Setup::full();
    home.sync_with(&sim, full).await.expect_complete();
    assert_eq!(paths(), settled, "a path that is had is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_that_decode_to_one_path_never_write_one_file() {
    let sim = Sim::builder().start().await;
    for (name, path) in [("A.png", "/assets/s/A.png"), ("A.png", "/assets/s/%41.png")] {
        sim.edit(Edit::AddMedium {
            name: name.into(),
            bytes: Some(png(80)),
            path: Some(path.into()),
            alt: None,
            tags: Vec::new(),
        })
        .expect("a new medium");
    }
    let other = "GIF89a: other bytes;";
    sim.fault(
        Route::Image.containing("%41"),
        Occasion::Every,
        answer(200, &[("content-type", "image/gif")], other),
    );
    let home = Sandbox::new();
    for _ in 0..2 {
        home.sync(&sim).await.expect_complete();
        assert_sound_and_tidy(&home);
        assert_eq!(
            home.count("SELECT count(DISTINCT sha256) FROM assets WHERE state = 'saved'"),
            2
        );
        // Both are fetched anew, with both paths taken.
        std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_whose_owner_waits_for_its_file_is_not_given_away() {
    let sim = Sim::builder().start().await;
    let first = add(&sim, "A.png", Some(b"GIF87a;"));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // The file is lost and cannot be had; meanwhile a newcomer's URL decodes to the same path.
    std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    sim.fault(
        Route::Image.containing("/A.png"),
        Occasion::Every,
        answer(404, &[], ""),
    );
    sim.edit(Edit::AddMedium {
        name: "A.png".into(),
        bytes: None,
        path: Some("/assets/s/%41.png".into()),
        alt: None,
        tags: Vec::new(),
    })
    .expect("a new medium");
    sim.fault(
        Route::Image.containing("%41"),
        Occasion::Every,
        answer(200, &[("content-type", "image/png")], "GIF89a;"),
    );
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_sound(&home);

    sim.clear_faults();
    sim.fault(
        Route::Image.containing("/A.png"),
        Occasion::Every,
        answer(200, &[("content-type", "image/png")], "GIF87a;"),
    );
    home.sync(&sim).await.expect_complete();
    assert_sound(&home);
    let held = home.saved_bytes(&first);
    assert_eq!(held.as_deref(), Some(&b"GIF87a;"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn not_modified_never_stands_in_for_a_file_that_is_lost_or_changed_on_disk() {
    // The row is owed for a reason that a conditional request could settle, so nobody looked at the
    // file before: lost, shortened, scrambled.
    let harms: [fn(&std::path::Path); 3] = [
        |file| std::fs::remove_file(file).expect("removed"),
        |file| std::fs::write(file, b"short").expect("written"),
        |file| {
            let mut bytes = std::fs::read(file).expect("read");
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
            std::fs::write(file, bytes).expect("written");
        },
    ];
    for harm in harms {
        let sim = Sim::builder().media(6).start().await;
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let only = microcms_backup::sync::Only {
            media: true,
            contents: false,
            assets: false,
        };
        for id in sim.media_ids() {
            sim.edit(Edit::SetAlt {
                id,
                alt: Some("moved".into()),
                touch: true,
            })
            .expect("edited");
        }
        home.sync_with(
            &sim,
            Setup {
                only,
                ..Setup::default()
            },
        )
        .await
        .expect_code(ExitCode::Partial);
        for file in crate::support::files(&home.path("mirror")) {
            harm(&file);
        }
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_cdn_is_not_believed_for_good() {
    let sim = Sim::builder().media(3).start().await;
    let id = add(&sim, "logo.png", Some(&png(100)));
    sim.edit(Edit::SetAlt {
        id: id.clone(),
        alt: None,
        touch: false,
    })
    .expect("edited");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(300)),
        touch: true,
        // "Not modified", and then the old bytes: this host has proved nothing yet.
        stale_requests: 2,
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved' AND recheck_at IS NOT NULL"),
        1,
        "the stamp moved and the bytes did not: there will be a second look"
    );
    assert_sound_and_tidy(&home);
    let full = Setup::full();
    home.sync_with(&sim, full).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}
