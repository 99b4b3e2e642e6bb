//! The mirror is a web root: what is listed lies at the path of its URL, also where another medium had that before.

use crate::assets::png;
use crate::hostile::{add as add_named, path_of};
use crate::prune::world::{far, prune_in};
use crate::support::{
    Expect as _, Program, Sandbox, Setup, archived, assert_holds, assert_sound,
    assert_sound_and_tidy, digest, now,
};
use microcms_backup::model::{Cutoffs, MediaId, RelPath, RunReport};
use microcms_backup::store::{self, Store};
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};

/// Adds an image of so many bytes at a path.
fn add(sim: &Sim, path: &str, bytes: usize) -> String {
    sim.edit(Edit::AddMedium {
        name: "x.png".to_owned(),
        bytes: Some(png(bytes)),
        path: Some(path.to_owned()),
        alt: None,
        tags: Vec::new(),
    })
    .expect("a new medium")
}

/// Gives a medium another URL, as a rename does.
fn rename(sim: &Sim, id: &str, path: &str) {
    sim.edit(Edit::SetMediumPath {
        id: id.to_owned(),
        path: path.to_owned(),
        touch: true,
    })
    .expect("renamed");
}

fn delete(sim: &Sim, id: &str) {
    sim.edit(Edit::DeleteMedium { id: id.to_owned() })
        .expect("deleted");
}

/// What a web server on the mirror answers for a path.
fn served(home: &Sandbox, sim: &Sim, path: &str) -> Option<Vec<u8>> {
    let host = sim.image_host().replace(':', "_");
    std::fs::read(home.path("mirror").join(format!("{host}{path}"))).ok()
}

/// Holds each listed URL against the mirror as a web root, and the rest of the promises with it.
#[track_caller]
fn assert_web_root(home: &Sandbox, sim: &Sim) {
    let truth = sim.truth();
    for medium in &truth.media {
        let path = RelPath::for_url(&medium.url).expect("a path");
        assert_eq!(path_of(home, &medium.id), path.as_str());
        let held = std::fs::read(home.path("mirror").join(path.as_str())).expect("a file");
        assert_eq!(held, medium.bytes().to_vec(), "{path}");
    }
    assert_holds(home, &truth);
    assert_sound_and_tidy(home);
}

/// Runs `verify`, which must have nothing to say.
#[track_caller]
fn assert_verified(home: &Sandbox, sim: &Sim) {
    let output = Program::command(&["verify"], home, sim).run();
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
}

/// Holds that a run finds nothing to do: no request for a file, no row.
async fn assert_settled(home: &Sandbox, sim: &Sim) {
    home.count_writes();
    let (report, bill) = home.billed(sim, Setup::default()).await;
    let report = report.expect_complete();
    assert_eq!((bill.requests, bill.rows.len()), (0, 0), "{bill:?}");
    assert_eq!(report.assets.moved, 0);
}

/// Holds that everything is where it belongs, and that nothing is left to do.
async fn assert_at_rest(home: &Sandbox, sim: &Sim) {
    assert_web_root(home, sim);
    assert_verified(home, sim);
    assert_settled(home, sim).await;
}

/// A run that asks for no file.
async fn synced_for_nothing(home: &Sandbox, sim: &Sim) -> RunReport {
    let (report, bill) = home.billed(sim, Setup::default()).await;
    assert_eq!((bill.requests, bill.bytes), (0, 0));
    report.expect_complete()
}

/// A run that looks at the listing alone: what becomes of files is left to another one.
async fn listed_only(home: &Sandbox, sim: &Sim) {
    let setup = Setup {
        only: Only {
            media: true,
            contents: false,
            assets: false,
        },
        ..Setup::default()
    };
    home.sync_with(sim, setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_where_another_was_renamed_lies_at_its_url() {
    let sim = Sim::builder().start().await;
    let renamed = add(&sim, "/assets/s/m/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();

    rename(&sim, &renamed, "/assets/s/m/a-old.png");
    add(&sim, "/assets/s/m/a.png", 200);
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill.requests, 2, "one for each, and no more");
    assert_at_rest(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_where_another_was_deleted_lies_at_its_url() {
    let sim = Sim::builder().start().await;
    let deleted = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();

    delete(&sim, &deleted);
    add(&sim, "/media/a.png", 200);
    home.sync(&sim).await.expect_complete();
    // Missing once is no deletion: until then the place is the other one's.
    assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(100)));
    let report = synced_for_nothing(&home, &sim).await;
    assert_eq!((report.media.deleted, report.assets.moved), (1, 1));
    assert_web_root(&home, &sim);
    assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));
    assert_eq!(home.saved_bytes(&deleted), Some(png(100)));
    assert_verified(&home, &sim);
    assert_settled(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_where_a_tombstone_lies_gets_its_place_in_the_same_run() {
    let sim = Sim::builder().start().await;
    let deleted = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    delete(&sim, &deleted);
    add(&sim, "/media/b.png", 150);
    home.sync(&sim).await.expect_complete();
    home.sync(&sim).await.expect_complete();
    assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(100)));

    add(&sim, "/media/a.png", 200);
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill.requests, 1);
    assert_web_root(&home, &sim);
    assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));
    assert_eq!(home.saved_bytes(&deleted), Some(png(100)));
    assert_verified(&home, &sim);
    assert_settled(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_swap_their_urls_swap_their_files() {
    // Bytes of one length and even the very same ones are no reason to mix them up.
    for bytes in [(100, 200), (100, 100)] {
        let sim = Sim::builder().start().await;
        let one = add(&sim, "/media/one.png", bytes.0);
        let other = add(&sim, "/media/other.png", bytes.1);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();

        rename(&sim, &one, "/media/spare.png");
        rename(&sim, &other, "/media/one.png");
        rename(&sim, &one, "/media/other.png");
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        assert_eq!(bill.requests, 2);
        assert_at_rest(&home, &sim).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_move_up_one_by_one_all_end_at_their_urls() {
    let sim = Sim::builder().start().await;
    let ids: Vec<String> = (1..=12)
        .map(|n| add(&sim, &format!("/media/p{n}.png"), 100 + n))
        .collect();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();

    for (n, id) in ids.iter().enumerate().rev() {
        rename(&sim, id, &format!("/media/p{}.png", n + 2));
    }
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill.requests, 12);
    assert_at_rest(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moved_away_and_cannot_be_had_there_keeps_nobody_from_its_place() {
    let sim = Sim::builder().start().await;
    let moved = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();

    rename(&sim, &moved, "/media/gone.png");
    sim.edit(Edit::HideAsset {
        id: moved.clone(),
        hidden: true,
    })
    .expect("hidden");
    add(&sim, "/media/a.png", 200);
    home.sync(&sim).await;
    assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(200)));
    let kept = std::fs::read(home.path("mirror").join(path_of(&home, &moved)));
    assert_eq!(kept.expect("kept till then"), png(100));
    assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));
    assert_sound_and_tidy(&home);
    assert_verified(&home, &sim);

    sim.edit(Edit::HideAsset {
        id: moved,
        hidden: false,
    })
    .expect("shown");
    let impatient = Setup {
        is_impatient: true,
        ..Setup::default()
    };
    home.sync_with(&sim, impatient).await.expect_complete();
    assert_at_rest(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_medium_that_returns_gets_its_place_back_when_that_is_free() {
    let sim = Sim::builder().start().await;
    let first = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // Twice the listing lacks the first, and has another one with its URL.
    let second = add(&sim, "/media/a.png", 200);
    let truth = sim.truth();
    let listing = &truth.medium(&second).expect("listed").listing;
    let lie = Fault::Status {
        status: 200,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: format!("{{\"media\":[{listing}],\"totalCount\":1,\"token\":\"x\"}}"),
        consumed: true,
    };
    sim.fault(Route::Media, Occasion::Every, lie);
    home.sync(&sim).await.expect_complete();
    home.sync(&sim).await.expect_complete();
    sim.clear_faults();
    assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(200)));
    assert_eq!(home.saved_bytes(&first), Some(png(100)));

    // Back again, and the other one is deleted, which takes two runs to be sure of.
    delete(&sim, &second);
    rename(&sim, &first, "/media/a.png");
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.media.returned, 1);
    assert_eq!(home.saved_bytes(&first), Some(png(100)));
    assert_sound_and_tidy(&home);
    assert_verified(&home, &sim);
    synced_for_nothing(&home, &sim).await;
    assert_web_root(&home, &sim);
    assert_eq!(home.saved_bytes(&second), Some(png(200)));
    assert_eq!(archived(&home, &digest(&png(200))), Some(png(200)));
    assert_verified(&home, &sim);
    assert_settled(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_listed_media_with_one_url_the_first_keeps_the_place() {
    let sim = Sim::builder().start().await;
    let first = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let second = add(&sim, "/media/a.png", 200);
    home.sync(&sim).await.expect_complete();
    for _run in 0..2 {
        assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(100)));
        assert!(!path_of(&home, &first).contains("/_unsafe/"));
        assert!(path_of(&home, &second).contains("/_unsafe/"));
        synced_for_nothing(&home, &sim).await;
    }
    assert_verified(&home, &sim);
    assert_settled(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_path_and_a_place_that_cannot_be_had_stay_as_they_are() {
    let sim = Sim::builder().start().await;
    add_named(&sim, "x.png", "/assets/s/a%00b.png");
    add_named(&sim, "x.png", "/assets/s/thing.png");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    add_named(&sim, "x.png", "/assets/s/thing.png/inner.png");
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE path LIKE '%/\\_unsafe/%' ESCAPE '\\'"),
        2
    );
    assert_sound_and_tidy(&home);
    assert_verified(&home, &sim);
    assert_settled(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_version_put_aside_goes_home_without_a_transfer() {
    for is_full in [false, true] {
        let (sim, home, [_, second]) = one_aside().await;
        assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(100)));
        assert!(path_of(&home, &second).contains("/_unsafe/"));
        assert_sound(&home);

        if is_full {
            let full = Setup::full();
            let (report, bill) = home.billed(&sim, full).await;
            report.expect_complete();
            assert_eq!(bill.bytes, 0);
        } else {
            synced_for_nothing(&home, &sim).await;
        }
        assert_web_root(&home, &sim);
        assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));
        assert_verified(&home, &sim);
        assert_settled(&home, &sim).await;
    }
}

/// A service and a backup where a file lies aside, because a tombstone has its place. Returns them with the ids
/// of the deleted medium and of the listed one.
async fn one_aside() -> (Sim, Sandbox, [String; 2]) {
    let sim = Sim::builder().start().await;
    let deleted = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let listed = add(&sim, "/media/a.png", 200);
    home.sync(&sim).await.expect_complete();
    delete(&sim, &deleted);
    listed_only(&home, &sim).await;
    listed_only(&home, &sim).await;
    (sim, home, [deleted, listed])
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_move_home_is_cut_off_nothing_is_lost_or_named_and_the_next_run_ends_it() {
    for moment in 1..=6 {
        let (sim, home, [deleted, listed]) = one_aside().await;
        let place = path_of(&home, &deleted);
        let aside = path_of(&home, &listed);
        let url = sim.truth().medium(&listed).expect("listed").url.clone();
        let safe = RelPath::fallback(&format!("{url}#{deleted}")).expect("a path");
        let mirror = home.path("mirror");
        let link = |from: &str, to: &str| {
            let to = mirror.join(to);
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            std::fs::remove_file(&to).ok();
            std::fs::hard_link(mirror.join(from), to).expect("linked");
        };
        let options = store::Options {
            path: home.database(),
            service_id: sim.service_id().to_owned(),
            mode: store::Mode::ReadWrite,
        };
        let id = |id: &str| MediaId::parse(id).expect("an id");
        let mut store = Store::open(&options, now()).expect("the database opens");
        // The steps, one after the other, up to the moment of death.
        link(&place, safe.as_str());
        if moment > 1 {
            store
                .record_gave_way(&id(&deleted), safe.as_str(), now())
                .expect("recorded");
        }
        if moment > 2 {
            let bytes = digest(&png(100));
            let (first, rest) = bytes.split_at(2);
            let (second, _) = rest.split_at(2);
            let kept = home.path("archive").join(first).join(second);
            std::fs::create_dir_all(&kept).expect("made");
            std::fs::hard_link(mirror.join(&place), kept.join(&bytes)).expect("archived");
        }
        if moment > 3 {
            link(&aside, &place);
        }
        if moment > 4 {
            store.owe_moves(&[id(&listed)], now()).expect("recorded");
        }
        if moment > 5 {
            std::fs::remove_file(mirror.join(&aside)).expect("removed");
        }
        drop(store);

        assert_verified(&home, &sim);
        synced_for_nothing(&home, &sim).await;
        assert_web_root(&home, &sim);
        assert_eq!(home.saved_bytes(&deleted), Some(png(100)), "{moment}");
        assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));
        assert_verified(&home, &sim);
        assert_settled(&home, &sim).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gave_way_goes_with_its_tombstone_and_not_before() {
    let (sim, home, [deleted, listed]) = one_aside().await;
    home.sync(&sim).await.expect_complete();
    let safe = path_of(&home, &deleted);
    let superseded = Cutoffs {
        superseded_before: Some(far()),
        deleted_before: None,
    };
    prune_in(&home, superseded, false).await.expect("a prune");
    assert_eq!(home.saved_bytes(&deleted), Some(png(100)));
    assert_sound_and_tidy(&home);
    assert_verified(&home, &sim);

    let all = Cutoffs {
        superseded_before: Some(far()),
        deleted_before: Some(far()),
    };
    prune_in(&home, all, false).await.expect("a prune");
    assert!(!home.path("mirror").join(safe).exists());
    assert_eq!(archived(&home, &digest(&png(100))), None);
    assert_eq!(home.saved_bytes(&listed), Some(png(200)));
    assert_at_rest(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_moves_nothing() {
    let (sim, home, [deleted, listed]) = one_aside().await;
    let paths = [path_of(&home, &deleted), path_of(&home, &listed)];
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    home.sync_with(&sim, dry).await;
    assert_eq!([path_of(&home, &deleted), path_of(&home, &listed)], paths);
    assert_eq!(served(&home, &sim, "/media/a.png"), Some(png(100)));
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_aside_of_a_free_place_goes_home_without_a_transfer() {
    let sim = Sim::builder().start().await;
    let id = add(&sim, "/media/a.png", 100);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // As an older version left it.
    let path = path_of(&home, &id);
    let host = path.split('/').next().expect("a host");
    let aside = format!("{host}/_unsafe/0123456789abcdef/a.png");
    let mirror = home.path("mirror");
    std::fs::create_dir_all(mirror.join(&aside).parent().expect("a folder")).expect("made");
    std::fs::rename(mirror.join(&path), mirror.join(&aside)).expect("moved");
    rusqlite::Connection::open(home.database())
        .expect("the database opens")
        .execute_batch(&format!(
            "INSERT INTO meta VALUES ('test_aged', '1');
             UPDATE assets SET path = '{aside}',
                 valid_from = strftime('%Y-%m-%dT%H:%M:%fZ', valid_from, '+0.001 seconds');"
        ))
        .expect("edited");

    let report = synced_for_nothing(&home, &sim).await;
    assert_eq!(report.assets.moved, 1);
    assert_web_root(&home, &sim);
    assert_settled(&home, &sim).await;
}
