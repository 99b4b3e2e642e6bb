//! What a change of a medium costs, case by case.

use super::{in_2_days, in_3_days, in_11_minutes, in_40_days, in_400_days, rows, size};
use crate::support::{
    Bill, Expect as _, Sandbox, Setup, archived, assert_holds, assert_sound_and_tidy, files,
};
use microcms_backup::model::{ExitCode, Timestamp};
use microcms_sim::{AssetOptions, Edit, Fault, Route, Sim};
use std::time::Duration;

const MEDIA: u64 = 12;

/// A backed-up service. `is_proven`: its image host has told two versions of a file apart.
async fn backed_up(is_proven: bool) -> (Sim, Sandbox, Vec<String>) {
    let sim = Sim::builder()
        .media(u32::try_from(MEDIA).expect("few"))
        .media_size(2_000..=4_000)
        .start()
        .await;
    let home = Sandbox::in_memory();
    let host = sim.image_host();
    let truth = sim.truth();
    let images = truth.media.iter().filter(|m| m.url.contains(&host));
    let images: Vec<String> = images.map(|medium| medium.id.clone()).collect();
    assert!(images.len() >= 4);
    for id in &images {
        sim.edit(Edit::SetAlt {
            id: id.clone(),
            alt: Some("before".into()),
            touch: false,
        })
        .expect("edited");
    }
    home.sync(&sim).await.expect_complete();
    if is_proven {
        let id = images.last().expect("an image").clone();
        sim.edit(replace(&id, true, 0)).expect("edited");
        home.sync(&sim).await.expect_complete();
    }
    home.count_writes();
    (sim, home, images)
}

fn replace(id: &str, touch: bool, stale_requests: u32) -> Edit {
    Edit::ReplaceBytes {
        id: id.to_owned(),
        bytes: None,
        touch,
        stale_requests,
    }
}

fn at(now: fn() -> Timestamp) -> Setup {
    Setup {
        now,
        ..Setup::default()
    }
}

/// The rows of one changed medium, with a new version of its file or without.
fn rows_of(media: u64, versions: u64, looks: u64) -> std::collections::BTreeMap<String, u64> {
    Bill::of_rows(&[
        ("media: update", media),
        ("media_history: insert", media),
        ("assets: update", looks),
        ("assets_history: insert", versions),
    ])
}

/// Nothing happened since: nothing is asked and nothing is written.
async fn assert_quiet(home: &Sandbox, sim: &Sim, setup: Setup, what: &str) {
    let (report, bill) = home.billed(sim, setup).await;
    report.expect_complete();
    assert_eq!(bill, Bill::default(), "{what}: the run after it");
}

struct Case {
    name: &'static str,
    edit: fn(&str) -> Edit,
    conditional: u64,
    /// Whether the bytes of that one file come.
    has_bytes: bool,
    /// Whether there is a new version of the file, and whether it has other bytes.
    is_version: bool,
    is_archived: bool,
}

const CASES: [Case; 12] = [
    Case {
        name: "new bytes under the same URL",
        edit: |id| replace(id, true, 0),
        conditional: 1,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    Case {
        name: "new bytes, and no stamp but the lost description",
        edit: |id| replace(id, false, 0),
        conditional: 1,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    Case {
        name: "a longer file",
        edit: |id| Edit::ResizeMedium {
            id: id.to_owned(),
            size: 300_000,
            touch: true,
        },
        conditional: 1,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    Case {
        name: "new bytes under a new URL",
        edit: |id| Edit::ReplaceUnderNewUrl {
            id: id.to_owned(),
            bytes: None,
        },
        conditional: 0,
        has_bytes: true,
        is_version: true,
        is_archived: true,
    },
    // An `ETag` names a version of one URL's file: at another URL nobody vouches for the bytes.
    Case {
        name: "a rename with a stamp",
        edit: |id| Edit::RenameMedium {
            id: id.to_owned(),
            name: "renamed.png".into(),
            touch: true,
        },
        conditional: 0,
        has_bytes: true,
        is_version: true,
        is_archived: false,
    },
    Case {
        name: "a rename without a stamp",
        edit: |id| Edit::RenameMedium {
            id: id.to_owned(),
            name: "renamed.png".into(),
            touch: false,
        },
        conditional: 0,
        has_bytes: true,
        is_version: true,
        is_archived: false,
    },
    Case {
        name: "another alt with a stamp",
        edit: |id| Edit::SetAlt {
            id: id.to_owned(),
            alt: Some("after".into()),
            touch: true,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "another alt without a stamp",
        edit: |id| Edit::SetAlt {
            id: id.to_owned(),
            alt: Some("after".into()),
            touch: false,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "no alt any more",
        edit: |id| Edit::SetAlt {
            id: id.to_owned(),
            alt: None,
            touch: true,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "tags with a stamp",
        edit: |id| Edit::SetTags {
            id: id.to_owned(),
            tags: vec!["a".into(), "b".into()],
            touch: true,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "tags without a stamp",
        edit: |id| Edit::SetTags {
            id: id.to_owned(),
            tags: vec!["a".into()],
            touch: false,
        },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
    Case {
        name: "a stamp alone",
        edit: |id| Edit::TouchMedium { id: id.to_owned() },
        conditional: 1,
        has_bytes: false,
        is_version: false,
        is_archived: false,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_medium_costs_one_request_and_bytes_only_if_they_are_new() {
    for case in CASES {
        let (sim, home, images) = backed_up(true).await;
        let name = case.name;
        let old = home.saved_bytes(&images[0]).expect("saved");
        let (kept, versions) = (
            files(&home.path("archive")).len(),
            rows(&home, "assets_history"),
        );
        sim.edit((case.edit)(&images[0])).expect("edited");
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        let report = report.expect_complete();
        let bytes = if case.has_bytes {
            size(&sim, &images[0])
        } else {
            0
        };
        assert_eq!(
            (bill.requests, bill.conditional, bill.bytes),
            (1, case.conditional, bytes),
            "{name}"
        );
        assert_eq!(report.assets.bytes, bytes, "{name}");
        assert_eq!(
            bill.rows,
            rows_of(1, u64::from(case.is_version), 2),
            "{name}"
        );
        assert_eq!(
            rows(&home, "assets_history") - versions,
            u64::from(case.is_version),
            "{name}"
        );
        assert_eq!(
            files(&home.path("archive")).len() - kept,
            usize::from(case.is_archived),
            "{name}"
        );
        if case.is_archived {
            let sha256 = crate::support::digest(&old);
            assert_eq!(archived(&home, &sha256), Some(old), "{name}");
        }
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        assert_quiet(&home, &sim, Setup::default(), name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_alone_costs_the_bytes_only_at_a_host_that_proved_nothing_yet() {
    let (sim, home, images) = backed_up(false).await;
    sim.edit(Edit::TouchMedium {
        id: images[0].clone(),
    })
    .expect("edited");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.conditional), (2, 1));
    assert_eq!(bill.bytes, size(&sim, &images[0]));
    assert_eq!(bill.rows, rows_of(1, 0, 2));
    // Once it has told two versions apart, its word is enough, also for the others.
    sim.edit(replace(&images[1], true, 0)).expect("edited");
    home.sync(&sim).await.expect_complete();
    for id in &images {
        sim.edit(Edit::TouchMedium { id: id.clone() })
            .expect("edited");
    }
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    let count = images.len() as u64;
    assert_eq!(
        (bill.requests, bill.conditional, bill.bytes),
        (count, count, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_deleted_media_cost_their_own_bytes_and_rows() {
    let (sim, home, images) = backed_up(true).await;
    let id = sim
        .edit(Edit::AddMedium {
            name: "new.png".into(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("added");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (1, size(&sim, &id)));
    let expected = [
        ("media: insert", 1),
        ("assets: insert", 1),
        ("assets: update", 1),
    ];
    assert_eq!(bill.rows, Bill::of_rows(&expected));

    let deleted = home.saved_bytes(&images[0]).expect("saved");
    sim.edit(Edit::DeleteMedium {
        id: images[0].clone(),
    })
    .expect("deleted");
    for (walk, expected) in [
        (1, vec![("absences: insert", 1)]),
        (
            2,
            vec![
                ("absences: update", 1),
                ("absences: delete", 1),
                ("media: update", 1),
                ("media_history: insert", 1),
            ],
        ),
        (3, Vec::new()),
    ] {
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        assert_eq!((bill.requests, bill.bytes), (0, 0), "walk {walk}");
        assert_eq!(bill.rows, Bill::of_rows(&expected), "walk {walk}");
    }
    assert_eq!(home.saved_bytes(&images[0]), Some(deleted));
    assert_holds(&home, &sim.truth());
}

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
async fn listings_without_a_stamp_are_covered_by_the_scheduled_look() {
    let sim = Sim::builder()
        .media(u32::try_from(MEDIA).expect("few"))
        .old_media_form()
        .start()
        .await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    home.count_writes();
    let id = sim.media_ids()[0].clone();
    sim.edit(replace(&id, true, 0)).expect("edited");
    let every = |days: u64, now| Setup {
        revalidate_every: Some(Duration::from_secs(days * 86_400)),
        now,
        ..Setup::default()
    };
    // The listing shows nothing, and the look is not due.
    assert_quiet(&home, &sim, every(30, in_2_days), "not due").await;
    let (report, bill) = home.billed(&sim, every(30, in_40_days)).await;
    let report = report.expect_complete();
    assert_eq!(
        (bill.requests, bill.conditional, bill.bytes),
        (MEDIA, MEDIA, size(&sim, &id))
    );
    assert_eq!(
        (report.assets.saved, report.assets.unchanged),
        (1, MEDIA - 1)
    );
    assert_eq!(rows(&home, "assets_history"), 1);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_quiet(&home, &sim, every(30, in_40_days), "looked at just now").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listing_s_new_form_asks_for_nothing_and_its_old_one_downloads_nothing() {
    let sim = Sim::builder()
        .media(u32::try_from(MEDIA).expect("few"))
        .old_media_form()
        .start()
        .await;
    let home = Sandbox::in_memory();
    // Some have an alt and tags, which the old form does not show.
    for (n, id) in sim.media_ids().into_iter().enumerate() {
        let tags = vec![format!("t{n}")];
        let touch = false;
        sim.edit(Edit::SetTags { id, tags, touch }).expect("edited");
    }
    home.sync(&sim).await.expect_complete();
    home.count_writes();
    for on in [false, true, false] {
        sim.edit(Edit::SetOldMediaForm { on }).expect("edited");
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        // What goes away with the old form looks like an edit: one question each, and no bytes.
        let looks = if on { MEDIA } else { 0 };
        assert_eq!((bill.requests, bill.bytes), (looks, 0), "old form: {on}");
        assert_eq!(bill.conditional, looks, "old form: {on}");
        assert_eq!(bill.rows, rows_of(MEDIA, 0, 2 * looks), "old form: {on}");
        assert_holds(&home, &sim.truth());
        assert_quiet(&home, &sim, Setup::default(), "another form").await;
    }
}

/// A re-upload at a CDN that serves the old bytes for some requests more.
struct StaleUpload {
    /// A re-upload takes the `alt` away, which by itself looks like an edit of the description.
    had_alt: bool,
    stale_requests: u32,
    /// Requests and whether bytes came: at once, ten minutes later, a day later.
    looks: [(u64, bool); 3],
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_cdn_is_looked_at_twice_more_and_then_left_alone() {
    // A host that proved nothing yet is not believed at once when the stamp moved, and not at the last look.
    let uploads = [
        (false, 2, [(2, true), (1, true), (0, false)]),
        (false, 3, [(2, true), (1, false), (1, true)]),
        (false, 1_000, [(2, true), (1, false), (1, true)]),
        (true, 1, [(1, false), (1, true), (0, false)]),
        (true, 2, [(1, false), (1, false), (1, true)]),
        (true, 1_000, [(1, false), (1, false), (1, true)]),
    ];
    let uploads = uploads.map(|(had_alt, stale_requests, looks)| StaleUpload {
        had_alt,
        stale_requests,
        looks,
    });
    for upload in uploads {
        let (sim, home, images) = backed_up(false).await;
        if !upload.had_alt {
            sim.edit(Edit::SetAlt {
                id: images[0].clone(),
                alt: None,
                touch: false,
            })
            .expect("edited");
            home.sync(&sim).await.expect_complete();
            // Taking the `alt` away might have been an upload as well: that is settled first.
            home.sync_with(&sim, at(in_11_minutes)).await;
            home.sync_with(&sim, at(in_2_days)).await;
        }
        let old = size(&sim, &images[0]);
        sim.edit(replace(&images[0], true, upload.stale_requests))
            .expect("edited");
        let clocks: [fn() -> Timestamp; 3] = if upload.had_alt {
            [crate::support::now, in_11_minutes, in_2_days]
        } else {
            [in_2_days, in_3_days, in_40_days]
        };
        let new = size(&sim, &images[0]);
        for (look, (now, (requests, has_bytes))) in clocks.into_iter().zip(upload.looks).enumerate()
        {
            let (report, bill) = home.billed(&sim, at(now)).await;
            report.expect_complete();
            let what = format!("{}, {}: {look}", upload.had_alt, upload.stale_requests);
            assert_eq!(bill.requests, requests, "{what}");
            assert_eq!(bill.bytes > 0, has_bytes, "{what}");
            assert!([0, old, new].contains(&bill.bytes), "{what}");
            assert_sound_and_tidy(&home);
            assert_quiet(&home, &sim, at(now), "too early for another look").await;
        }
        assert_quiet(&home, &sim, at(in_400_days), "believed").await;
        if upload.stale_requests < 1_000 {
            assert_holds(&home, &sim.truth());
            assert_eq!(rows(&home, "assets_history"), 1);
        }
    }
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
        assert_eq!(bill.rows, rows_of(2, 2, 4), "{round}");
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

#[tokio::test(flavor = "multi_thread")]
async fn without_validators_a_description_costs_a_head_and_a_schedule_no_bytes() {
    let sim = Sim::builder()
        .media(6)
        .assets(AssetOptions {
            etag: false,
            last_modified: false,
            ..AssetOptions::default()
        })
        .start()
        .await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    let id = sim.media_ids()[0].clone();
    sim.edit(Edit::SetAlt {
        id,
        alt: Some("new".into()),
        touch: true,
    })
    .expect("edited");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (1, 0));
    let scheduled = Setup {
        revalidate_every: Some(Duration::from_secs(30 * 86_400)),
        now: in_40_days,
        ..Setup::default()
    };
    let (report, bill) = home.billed(&sim, scheduled).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (6, 0));
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_in_vain_at_an_old_url_does_not_put_off_the_new_one() {
    let (sim, home, images) = backed_up(true).await;
    // A look is planned; then the URL dies, and the next listing is late to tell the new one.
    sim.edit(Edit::TouchMedium {
        id: images[0].clone(),
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::RenameMedium {
        id: images[0].clone(),
        name: "renamed.png".into(),
        touch: true,
    })
    .expect("edited");
    sim.fault(Route::Media, 1, Fault::Delay { ms: 500 });
    let (report, bill) = home.billed(&sim, at(in_11_minutes)).await;
    let report = report.expect_complete();
    assert_eq!((bill.requests, report.assets.failed), (2, 0));
    assert!(sim.counters().statuses.contains_key(&404));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}
