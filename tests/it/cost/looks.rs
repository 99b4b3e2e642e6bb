//! What it costs to look again where the listing does not tell, or the CDN may be stale.

use super::{
    MEDIA, assert_quiet, at, backed_up, in_2_days, in_3_days, in_11_minutes, in_40_days,
    in_400_days, replace, rows, rows_of, size,
};
use crate::support::{Expect as _, Sandbox, Setup, assert_holds, assert_sound_and_tidy};
use microcms_backup::model::Timestamp;
use microcms_sim::{AssetOptions, Edit, Fault, Route, Sim};
use std::time::Duration;

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
async fn another_form_of_the_listing_asks_for_nothing() {
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
        assert_eq!((bill.requests, bill.bytes), (0, 0), "old form: {on}");
        assert_eq!(bill.rows, rows_of(MEDIA, 0, 0), "old form: {on}");
        assert_holds(&home, &sim.truth());
        assert_quiet(&home, &sim, Setup::default(), "another form").await;
    }
}

/// A re-upload at a CDN that serves the old bytes for some requests more.
struct StaleUpload {
    /// A re-upload takes the `alt` away, which by itself looks like an edit of the description.
    had_alt: bool,
    /// Somebody wrote another one before our run.
    has_alt: bool,
    stale_requests: u32,
    /// Requests and whether bytes came: at once, ten minutes later, a day later.
    looks: [(u64, bool); 3],
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_cdn_is_looked_at_twice_more_and_then_left_alone() {
    // A host that proved nothing yet is not believed at once when the stamp moved, and not at the last look.
    let uploads = [
        (false, false, 2, [(2, true), (1, true), (0, false)]),
        (false, false, 3, [(2, true), (1, false), (1, true)]),
        (false, false, 1_000, [(2, true), (1, false), (1, true)]),
        (true, false, 1, [(1, false), (1, true), (0, false)]),
        (true, false, 2, [(1, false), (1, false), (1, true)]),
        (true, false, 1_000, [(1, false), (1, false), (1, true)]),
        (true, true, 1, [(1, false), (1, true), (0, false)]),
        (true, true, 2, [(1, false), (1, false), (1, true)]),
        (false, true, 2, [(1, false), (1, false), (1, true)]),
    ];
    let uploads = uploads.map(|(had_alt, has_alt, stale_requests, looks)| StaleUpload {
        had_alt,
        has_alt,
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
        if upload.has_alt {
            sim.edit(Edit::SetAlt {
                id: images[0].clone(),
                alt: Some("after".into()),
                touch: true,
            })
            .expect("edited");
        }
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
            let StaleUpload {
                had_alt,
                has_alt,
                stale_requests,
                ..
            } = upload;
            let what = format!("{had_alt}, {has_alt}, {stale_requests}: {look}");
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
    // The stamp moved as well: that its bytes did not is seen once.
    let size = size(&sim, &sim.media_ids()[0]);
    let (report, bill) = home.billed(&sim, at(in_400_days)).await;
    report.expect_complete();
    assert_eq!((bill.requests, bill.bytes), (1, size));
    assert_quiet(&home, &sim, at(in_400_days), "believed").await;
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
    sim.fault(Route::Media, 1, Fault::Delay { ms: 1_500 });
    let (report, bill) = home.billed(&sim, at(in_11_minutes)).await;
    let report = report.expect_complete();
    assert_eq!((bill.requests, report.assets.failed), (2, 0));
    assert!(sim.counters().statuses.contains_key(&404));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}
