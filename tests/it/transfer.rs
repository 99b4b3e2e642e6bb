//! Large files that are cut off, and hosts of every kind: what they offer is learned, what they lie
//! about is survived.

use crate::support::{
    Expect as _, Program, Sandbox, Setup, archived, assert_holds, assert_sound_and_tidy, digest,
    replace_bytes,
};
use microcms_backup::model::Timestamp;
use microcms_backup::sync::{Only, Stop};
use microcms_sim::{AssetOptions, Edit, Fault, Occasion, Route, Sim, WrongRange};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// A service with a few small files and one large video. Returns the video's id.
async fn service(options: AssetOptions, size: u64) -> (Sim, String) {
    let sim = Sim::builder()
        .media(3)
        .media_size(1_000..=1_000)
        .assets(options)
        .start()
        .await;
    let id = sim
        .edit(Edit::AddMedium {
            name: "talk.mp4".to_owned(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("a new medium");
    sim.edit(Edit::ResizeMedium {
        id: id.clone(),
        size,
        touch: false,
    })
    .expect("resized");
    (sim, id)
}

/// Cuts the video's first answers off behind so many bytes.
fn cut(sim: &Sim, times: u64, after: u64) {
    let fault = Fault::Cut {
        after,
        chunked: false,
    };
    let video = Route::File.containing("talk.mp4");
    sim.fault(video, Occasion::Range(1, times), fault);
}

/// The `Range` headers of requests for the video.
fn ranges(sim: &Sim) -> Vec<Option<String>> {
    let requests = sim.requests();
    let video = requests.iter().filter(|it| it.path.contains("talk.mp4"));
    video.map(|it| it.range.clone()).collect()
}

fn host(home: &Sandbox, sim: &Sim, column: &str) -> String {
    let host = sim.file_host();
    home.texts(&format!(
        "SELECT {column} FROM asset_hosts WHERE host = '{host}'"
    ))
    .join("")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_file_goes_on_where_it_was_cut_in_the_same_run() {
    let size = 5 * MIB;
    let (sim, id) = service(AssetOptions::default(), size).await;
    cut(&sim, 2, 2 * MIB);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let asked = ranges(&sim);
    let from = |range: &Option<String>| -> u64 {
        let text = range.as_deref().expect("a range");
        let text = text.strip_prefix("bytes=").expect("bytes");
        text.strip_suffix('-')
            .expect("open")
            .parse()
            .expect("a number")
    };
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(asked[0], None);
    assert!(from(&asked[1]) > 19 * MIB / 10 && from(&asked[1]) <= 2 * MIB);
    assert!(from(&asked[2]) > 38 * MIB / 10 && from(&asked[2]) <= 4 * MIB);
    let sent = sim.counters().at(&sim.file_host()).bytes;
    assert!(sent <= size + 4 * 1024, "{sent} bytes for {size}");
    assert_eq!(host(&home, &sim, "range"), "proven");
    let truth = sim.truth();
    assert_eq!(
        home.texts(&format!(
            "SELECT sha256 FROM assets WHERE media_id = '{id}'"
        )),
        [truth.medium(&id).expect("listed").sha256()]
    );
    assert_eq!(home.count("SELECT count(*) FROM partials"), 0);
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moment_s_trouble_costs_neither_what_came_nor_the_ranges() {
    let size = 5 * MIB;
    let (sim, id) = service(AssetOptions::default(), size).await;
    cut(&sim, 1, 3 * MIB);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_eq!(host(&home, &sim, "range"), "proven");
    let video = || Route::File.containing("talk.mp4");
    let trouble = Fault::Status {
        status: 500,
        headers: std::collections::BTreeMap::new(),
        body: String::new(),
        consumed: false,
    };
    // What is asked, and what fails of it: the rest; whether the saved bytes still hold, and later once the rest.
    for (cut_at, refused) in [(1, vec![2, 3]), (3, vec![1, 2, 4])] {
        sim.clear_faults();
        sim.edit(Edit::ResizeMedium {
            id: id.clone(),
            size: size + cut_at,
            touch: true,
        })
        .expect("resized");
        let fault = Fault::Cut {
            after: 3 * MIB,
            chunked: false,
        };
        sim.fault(video(), Occasion::Nth(cut_at), fault);
        for nth in refused {
            sim.fault(video(), Occasion::Nth(nth), trouble.clone());
        }
        sim.forget_requests();
        home.sync(&sim).await.expect_complete();
        let sent = sim.counters().at(&sim.file_host()).bytes;
        assert!(sent <= size + MIB / 10, "{cut_at}: {sent} bytes for {size}");
        assert_eq!(host(&home, &sim, "range"), "proven", "{cut_at}");
    }
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_s_trouble_does_not_make_a_host_one_that_cannot_be_asked() {
    let sim = Sim::builder()
        .media(6)
        .media_size(20_000..=20_000)
        .old_media_form()
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let path = home.texts("SELECT substr(url, instr(url, '/assets')) FROM assets LIMIT 1");
    let trouble = Fault::Status {
        status: 500,
        headers: std::collections::BTreeMap::new(),
        body: String::new(),
        consumed: false,
    };
    // Twice, for the question alone; three times, also for the file.
    for times in [2, 3] {
        for route in [Route::Image, Route::File] {
            let one = route.containing(&path[0]);
            sim.fault(one, Occasion::Range(1, times), trouble.clone());
        }
        for fails in [true, false] {
            sim.forget_requests();
            home.sync_with(&sim, Setup::full()).await.expect_complete();
            let asked = sim.requests().into_iter();
            let asked = asked.filter(|it| matches!(it.route, Route::Image | Route::File));
            let whole = asked.filter(|it| it.status == 200).count();
            assert_eq!(whole, usize::from(fails && times == 2), "{times}");
        }
        sim.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_keeps_what_came_and_the_next_one_asks_for_the_rest() {
    let size = 6 * MIB;
    let (sim, _id) = service(AssetOptions::default(), size).await;
    let stall = Fault::Stall {
        after: Some(4 * MIB),
    };
    sim.fault(Route::File.containing("talk.mp4"), Occasion::Nth(1), stall);
    let home = Sandbox::new();
    let setup = Setup {
        // Long enough to take in what the simulator's socket holds, also on a busy machine.
        grace: Duration::from_secs(4),
        read_timeout: Duration::from_secs(60),
        ..Setup::default()
    };
    let stop: Stop = setup.stop.clone();
    let stopper = async {
        while sim.counters().at(&sim.file_host()).bytes < 4 * MIB {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.request(microcms_backup::model::ExitCode::Terminated);
    };
    let (report, ()) = tokio::join!(home.sync_with(&sim, setup), stopper);
    assert_eq!(report.exit_code, 143);
    let kept = home.count("SELECT bytes FROM partials");
    assert!(kept > 3 * MIB, "{kept}");

    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    let sent = sim.counters().at(&sim.file_host()).bytes;
    assert!(sent <= size - kept + 2048, "{sent} bytes, {kept} were here");
    assert_holds(&home, &sim.truth());
    assert_eq!(home.count("SELECT count(*) FROM partials"), 0);
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_on_after_kill_9() {
    let size = 24 * MIB;
    let (sim, _id) = service(AssetOptions::default(), size).await;
    let stall = Fault::Stall {
        after: Some(20 * MIB),
    };
    sim.fault(Route::File.containing("talk.mp4"), Occasion::Nth(1), stall);
    let home = Sandbox::new();
    let mut running = Program::sync(&home, &sim).start();
    let begun = Instant::now();
    let has_kept = || {
        home.database().exists()
            && home
                .sql()
                .query_row("SELECT count(*) FROM partials", [], |row| row.get(0))
                .unwrap_or(0)
                == 1
    };
    while !has_kept() {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    running.signal("KILL");
    running.wait(Duration::from_secs(5));
    sim.forget_requests();
    let output = Program::sync(&home, &sim).run();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let sent = sim.counters().at(&sim.file_host()).bytes;
    assert!(
        sent <= 8 * MIB + 2048,
        "{sent} bytes after 16 MiB were kept"
    );
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_here_of_an_older_version_is_never_mixed_with_a_newer_one() {
    let size = 4 * MIB;
    let (sim, id) = service(AssetOptions::default(), size).await;
    cut(&sim, 4, 2 * MIB);
    let no_range = AssetOptions {
        ignores_ranges: true,
        ..AssetOptions::default()
    };
    let home = Sandbox::new();
    // Whole run in vain: every answer is cut.
    sim.edit(Edit::SetAssetOptions {
        options: AssetOptions::default(),
    })
    .expect("set");
    home.sync(&sim).await;
    for options in [AssetOptions::default(), no_range] {
        sim.edit(Edit::SetAssetOptions { options }).expect("set");
        sim.clear_faults();
        replace_bytes(&sim, &id);
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        replace_bytes(&sim, &id);
        cut(&sim, 4, 2 * MIB);
        home.sync(&sim).await;
    }
}

/// Four mebibytes of a video that differ from others of the kind in one early byte.
fn mostly_zeros(mark: u8) -> Vec<u8> {
    let mut bytes = b"\0\0\0\x18ftypmp42".to_vec();
    bytes.resize(4 * 1024 * 1024, 0);
    bytes[100] = mark;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_before_the_medium_changed_is_not_gone_on_with() {
    // Neither validators that stand still nor the repeated bytes tell these versions apart.
    let frozen = AssetOptions {
        frozen_validators: true,
        ..AssetOptions::default()
    };
    let (sim, id) = service(frozen, MIB).await;
    let put = |mark| {
        let edit = Edit::ReplaceBytes {
            id: id.clone(),
            bytes: Some(mostly_zeros(mark)),
            touch: true,
            stale_requests: 0,
        };
        sim.edit(edit).expect("replaced");
    };
    put(1);
    cut(&sim, 4, 600 * 1024);
    let home = Sandbox::new();
    home.sync(&sim).await;
    assert!(home.count("SELECT bytes FROM partials") > MIB);
    sim.clear_faults();
    put(2);
    let only = |media, assets| Setup {
        only: Only {
            media,
            contents: false,
            assets,
        },
        ..Setup::default()
    };
    home.sync_with(&sim, only(true, false)).await;
    sim.forget_requests();
    home.sync_with(&sim, only(false, true)).await;
    assert_eq!(ranges(&sim), [None], "from the start");
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_what_was_kept_is_found_out_by_its_digest() {
    let size = 4 * MIB;
    let (sim, _id) = service(AssetOptions::default(), size).await;
    cut(&sim, 4, 600 * 1024);
    let home = Sandbox::new();
    home.sync(&sim).await;
    assert!(home.count("SELECT bytes FROM partials") > MIB);
    let kept = std::fs::read_dir(home.path("mirror").join(".tmp"))
        .expect("the folder of temporary files")
        .map(|entry| entry.expect("an entry").path())
        .next()
        .expect("a kept file");
    let mut bytes = std::fs::read(&kept).expect("readable");
    bytes[1000] ^= 1;
    std::fs::write(&kept, bytes).expect("writable");
    sim.clear_faults();
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(ranges(&sim), [None], "from the start");
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_host_is_survived_and_learned() {
    let lies = |set: fn(&mut AssetOptions)| {
        let mut options = AssetOptions::default();
        set(&mut options);
        options
    };
    // The host, and what the table then says of `etag`, `range`.
    let cases = [
        ("an honest host", lies(|_| {}), "proven", "proven"),
        ("no ranges", lies(|it| it.range = false), "proven", "absent"),
        (
            "ignored ranges",
            lies(|it| it.ignores_ranges = true),
            "proven",
            "withdrawn",
        ),
        (
            "a wrong part, told",
            lies(|it| it.wrong_range = Some(WrongRange::Told)),
            "proven",
            "withdrawn",
        ),
        (
            "a wrong part, hidden",
            lies(|it| it.wrong_range = Some(WrongRange::Hidden)),
            "proven",
            "withdrawn",
        ),
        (
            "weak tags",
            lies(|it| it.weak_etags = true),
            "proven",
            "proven",
        ),
        (
            "no validators",
            lies(|it| (it.etag, it.last_modified) = (false, false)),
            "absent",
            "offered",
        ),
        (
            "no lengths",
            lies(|it| it.content_length = false),
            "proven",
            "proven",
        ),
        (
            "gzip for everybody",
            lies(|it| it.unasked_gzip = true),
            "proven",
            "offered",
        ),
        (
            "never modified",
            lies(|it| it.always_not_modified = true),
            "withdrawn",
            "proven",
        ),
        (
            "frozen validators",
            lies(|it| it.frozen_validators = true),
            "withdrawn",
            "proven",
        ),
        (
            "no conditions",
            lies(|it| it.conditional = false),
            "proven",
            "proven",
        ),
        ("no HEAD", lies(|it| it.head = false), "proven", "proven"),
        (
            "wrong HEAD",
            lies(|it| it.head_length_off = true),
            "proven",
            "proven",
        ),
    ];
    for (name, options, etag, range) in cases {
        let (sim, id) = service(options, 3 * MIB).await;
        cut(&sim, 1, 2 * MIB);
        let home = Sandbox::in_memory();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        let old = digest(&home.saved_bytes(&id).expect("saved"));

        replace_bytes(&sim, &id);
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert!(archived(&home, &old).is_some(), "{name}");
        let learned = (host(&home, &sim, "etag"), host(&home, &sim, "range"));
        assert_eq!(
            (learned.0.as_str(), learned.1.as_str()),
            (etag, range),
            "{name}"
        );

        // And once more, with what is known by now.
        replace_bytes(&sim, &id);
        sim.forget_requests();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        let counters = sim.counters().at(&sim.file_host());
        assert_eq!(counters.requests, 1, "{name}: {:?}", sim.request_lines());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_costs_no_bytes_at_any_host_that_can_tell() {
    let no_validators = AssetOptions {
        etag: false,
        last_modified: false,
        ..AssetOptions::default()
    };
    for (options, method) in [(AssetOptions::default(), "GET"), (no_validators, "HEAD")] {
        let (sim, id) = service(options, MIB).await;
        let home = Sandbox::in_memory();
        home.sync(&sim).await.expect_complete();
        sim.forget_requests();
        sim.edit(Edit::SetAlt {
            id,
            alt: Some("a talk".to_owned()),
            touch: true,
        })
        .expect("edited");
        let report = home.sync(&sim).await.expect_complete();
        assert_eq!((report.assets.unchanged, report.assets.bytes), (1, 0));
        let requests = sim.requests();
        let asset: Vec<_> = requests
            .iter()
            .filter(|it| it.path.contains("talk"))
            .collect();
        assert_eq!(asset.len(), 1);
        assert_eq!((asset[0].method.as_str(), asset[0].bytes), (method, 0));
    }
}

fn in_40_days() -> Timestamp {
    crate::support::now().plus(Duration::from_secs(40 * 86_400))
}

#[tokio::test(flavor = "multi_thread")]
async fn old_checks_are_renewed_at_no_cost_in_bytes_and_a_silent_change_is_found() {
    let (sim, id) = service(AssetOptions::default(), 2 * MIB).await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    let monthly = || Setup {
        revalidate_every: Some(Duration::from_secs(30 * 86_400)),
        now: in_40_days,
        ..Setup::default()
    };
    sim.forget_requests();
    let report = home.sync_with(&sim, monthly()).await.expect_complete();
    assert_eq!((report.assets.unchanged, report.assets.bytes), (4, 0));
    assert_eq!(sim.counters().assets(), 4);
    // Checked now: not again for another month.
    sim.forget_requests();
    home.sync_with(&sim, monthly()).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);

    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: None,
        touch: false,
        stale_requests: 0,
    })
    .expect("replaced");
    home.sync(&sim).await.expect_complete();
    let report = home.sync_with(&sim, monthly()).await.expect_complete();
    let truth = sim.truth();
    let size = truth.medium(&id).expect("listed").bytes().len() as u64;
    assert_eq!((report.assets.saved, report.assets.bytes), (1, size));
    assert_holds(&home, &truth);
}
