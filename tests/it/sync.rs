//! A whole run against the simulator: what it brings home, and what it costs.

use crate::bodies::{add, fields};
use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::report::ListedCounts;
use microcms_backup::model::{ExitCode, RunReport};
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Fault, Occasion, Route, SchemaFormat, Sim, Status, TokenMode};

fn service() -> microcms_sim::SimBuilder {
    Sim::builder()
        .media(250)
        .list_api("blog", 230)
        .list_api("news", 7)
        .object_api("settings")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_run_brings_everything_home_field_by_field_and_byte_by_byte() {
    let sim = service().start().await;
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(report.media.new, 250);
    assert_eq!(report.assets.saved, 250);
    assert_eq!(
        home.count("SELECT count(*) FROM walks WHERE verdict = 'proven'"),
        4
    );
    assert_eq!(home.texts("SELECT outcome FROM runs"), ["complete"]);
    let counters = sim.counters();
    assert_eq!(
        (counters.keys_at_asset_hosts, counters.keys_at_wrong_hosts),
        (0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_service_costs_no_asset_no_body_and_no_row() {
    let sim = service().start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let before = data_version(&home);
    sim.forget_requests();

    let report = home.sync(&sim).await.expect_complete();

    let counters = sim.counters();
    assert_eq!(counters.assets(), 0);
    assert_eq!(
        counters.of(Route::ContentList) + counters.of(Route::Content),
        0
    );
    assert_eq!(
        (
            report.media.new,
            report.media.changed,
            report.contents.changed
        ),
        (0, 0, 0)
    );
    assert_eq!(data_version(&home), before, "rows were written");
    assert_eq!(home.count("SELECT count(*) FROM runs"), 2);
}

/// A digest of everything that an unchanged service must leave alone.
fn data_version(home: &Sandbox) -> Vec<String> {
    [
        "endpoints",
        "contents",
        "media",
        "assets",
        "owed_bodies",
        "absences",
    ]
    .iter()
    .flat_map(|table| {
        let history = format!("{table}_history");
        let all = if ["owed_bodies", "absences"].contains(table) {
            vec![(*table).to_owned()]
        } else {
            vec![(*table).to_owned(), history]
        };
        all.into_iter().map(|table| {
            let columns = home
                .texts(&format!("SELECT name FROM pragma_table_info('{table}')"))
                .join(", ");
            let rows = home
                .texts(&format!(
                    "SELECT json_array({columns}) FROM {table} ORDER BY 1"
                ))
                .join("\n");
            format!("{table}: {rows}")
        })
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_token_mode_and_both_generations_of_the_service_are_walked() {
    for mode in [TokenMode::Same, TokenMode::Rotating, TokenMode::FirstOnly] {
        for is_old in [false, true] {
            let mut builder = Sim::builder()
                .media(230)
                .token_mode(mode)
                .object_api("about");
            if is_old {
                builder = builder
                    .old_media_form()
                    .schema_format(SchemaFormat::A)
                    .gzip(false);
            }
            let sim = builder.start().await;
            let home = Sandbox::new();
            home.sync(&sim).await.expect_complete();
            assert_holds(&home, &sim.truth());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_service_is_backed_up_in_both_ways_of_saying_so() {
    for builder in [Sim::builder(), Sim::builder().empty_media_is_404()] {
        let sim = builder.start().await;
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_does_what_it_says_and_the_parts_add_up() {
    let sim = Sim::builder().media(30).list_api("blog", 20).start().await;
    let home = Sandbox::new();
    let none = Only {
        media: false,
        contents: false,
        assets: false,
    };
    let media = Setup {
        only: Only {
            media: true,
            ..none
        },
        ..Setup::default()
    };
    home.sync_with(&sim, media)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(
        (
            sim.counters().assets(),
            sim.counters().of(Route::MetadataList)
        ),
        (0, 0)
    );
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'owed'"),
        30
    );

    let assets = Setup {
        only: Only {
            assets: true,
            ..none
        },
        ..Setup::default()
    };
    sim.forget_requests();
    home.sync_with(&sim, assets).await.expect_complete();
    assert_eq!(
        (sim.counters().assets(), sim.counters().of(Route::Media)),
        (30, 0)
    );

    let contents = Setup {
        only: Only {
            contents: true,
            ..none
        },
        ..Setup::default()
    };
    home.sync_with(&sim, contents).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_plans_the_same_and_writes_nothing() {
    let sim = Sim::builder().media(30).list_api("blog", 20).start().await;
    let home = Sandbox::new();
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let plan = home
        .sync_with(&sim, dry.clone())
        .await
        .expect_code(ExitCode::Complete);
    assert_eq!(
        (plan.media.new, plan.contents.new, plan.assets.owed),
        (30, 20, 30)
    );
    assert!(!home.database().exists() && !home.path("mirror").exists());
    assert_eq!(sim.counters().assets(), 0);

    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(
        (report.media.new, report.contents.new),
        (plan.media.new, plan.contents.new)
    );
    let plan = home.sync_with(&sim, dry.clone()).await;
    assert_eq!(
        (
            plan.media.new,
            plan.media.changed,
            plan.assets.owed,
            plan.bodies.owed
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(home.count("SELECT count(*) FROM runs"), 1);

    // As many as before, and one of each is another one.
    let id = sim.media_ids()[3].clone();
    sim.edit(Edit::DeleteMedium { id }).expect("deleted");
    let (endpoint, id) = ("blog".to_owned(), sim.content_ids("blog")[3].clone());
    sim.edit(Edit::DeleteContent { endpoint, id })
        .expect("deleted");
    let added = Edit::AddMedium {
        name: "new.png".into(),
        bytes: None,
        path: None,
        alt: None,
        tags: Vec::new(),
    };
    sim.edit(added).expect("added");
    let added = Edit::AddContent {
        endpoint: "blog".into(),
        id: None,
        status: Status::Publish,
        fields: None,
        place: 0,
    };
    sim.edit(added).expect("added");
    let plan = home.sync_with(&sim, dry).await;
    assert_eq!((plan.media.new, plan.media.missing), (1, 1));
    assert_eq!((plan.contents.new, plan.contents.missing), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_looks_at_the_mirror_and_says_what_a_full_run_asks_for() {
    let sim = Sim::builder().media(12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let paths = home.texts("SELECT path FROM assets ORDER BY media_id");
    std::fs::remove_file(home.path("mirror").join(&paths[0])).expect("removed");
    std::fs::write(home.path("mirror").join(&paths[1]), "short").expect("written");
    sim.forget_requests();
    let plan = home.sync_with(&sim, dry.clone()).await;
    assert_eq!((plan.assets.owed, sim.counters().assets()), (2, 0));
    let said = |plan: &RunReport, what: &str| {
        let line = &plan.verdict.line;
        assert!(!plan.verdict.safe && line.contains(what), "{line}");
    };
    said(&plan, "it would fetch 2 files;");
    let full = Setup {
        is_full: true,
        ..dry.clone()
    };
    let plan = home.sync_with(&sim, full).await;
    said(
        &plan,
        "it would fetch 2 files, look for changes of 10 files;",
    );
    // A volume that is not mounted.
    std::fs::rename(home.path("mirror"), home.path("elsewhere")).expect("moved");
    let plan = home.sync_with(&sim, dry).await;
    assert_eq!(plan.assets.owed, 12);
    assert!(!home.path("mirror").exists(), "nothing is made");
    std::fs::rename(home.path("elsewhere"), home.path("mirror")).expect("back");
    let real = home.sync(&sim).await.expect_complete();
    assert_eq!(real.assets.saved, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_counts_each_thing_once() {
    let sim = Sim::builder()
        .media(250)
        .list_api("blog", 150)
        .start()
        .await;
    let home = Sandbox::new();
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let lost = |sim: &Sim| sim.fault(Route::Media, 2, Fault::DropAfter);
    let numbers = |report: &RunReport| {
        let RunReport {
            media, contents, ..
        } = report;
        let of = |listed: &ListedCounts| (listed.new, listed.changed, listed.returned);
        (of(media), of(contents))
    };
    // Pages that overlap, a second look, a walk that begins anew.
    lost(&sim);
    let plan = home.sync_with(&sim, dry.clone()).await;
    lost(&sim);
    let bodies_fail = Fault::status(400, "GET is forbidden.");
    sim.fault(Route::ContentList, Occasion::Every, bodies_fail.clone());
    sim.fault(Route::Content, Occasion::Every, bodies_fail);
    let real = home.sync(&sim).await.expect_code(ExitCode::Refused);
    assert_eq!(numbers(&plan), numbers(&real));
    assert_eq!(plan.assets.owed, 250);
    assert_eq!(plan.bodies.owed, real.bodies.owed);

    // What is owed from before and listed anew is owed once; what came back is no change.
    let id = sim.content_ids("blog")[7].clone();
    let delete = Edit::DeleteContent {
        endpoint: "blog".into(),
        id: id.clone(),
    };
    sim.edit(delete).expect("deleted");
    home.sync(&sim).await.expect_code(ExitCode::Refused);
    sim.edit(add(&id, Status::Publish)).expect("added again");
    for id in sim.content_ids("blog").iter().take(3).skip(1) {
        sim.edit(Edit::EditBody {
            endpoint: "blog".into(),
            id: id.clone(),
            fields: fields("new"),
        })
        .unwrap_or_default();
    }
    let plan = home.sync_with(&sim, dry).await;
    let real = home.sync(&sim).await.expect_code(ExitCode::Refused);
    assert_eq!(numbers(&plan), numbers(&real));
    assert_eq!(plan.contents.returned, 1);
    assert_eq!(plan.bodies.owed, real.bodies.owed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_calls_nothing_safe_that_an_earlier_run_left_owed() {
    let sim = Sim::builder()
        .media(4)
        .published_list_api("blog", 5)
        .start()
        .await;
    let url = sim.truth().media[0].url.clone();
    let folder = url.rsplit('/').nth(1).expect("a folder");
    for route in [Route::Image, Route::File] {
        let gone = Fault::status(404, "gone");
        sim.fault(route.containing(folder), Occasion::Every, gone);
    }
    let out = Fault::status(503, "out");
    sim.fault(Route::ContentList, Occasion::Every, out);
    let home = Sandbox::new();
    let real = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!((real.assets.owed, real.bodies.owed), (1, 5));
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let report = home.sync_with(&sim, dry.clone()).await;
    assert_eq!((report.assets.owed, report.bodies.owed), (1, 5));
    assert_eq!(report.failed_total, 1);
    let line = &report.verdict.line;
    assert!(!report.verdict.safe, "{line}");
    assert!(
        line.starts_with("UNSAFE until a real run: it would read 5 bodies, fetch 1 file;"),
        "{line}"
    );
    sim.clear_faults();
    let again = Setup {
        is_impatient: true,
        ..Setup::default()
    };
    home.sync_with(&sim, again).await.expect_complete();
    let report = home.sync_with(&sim, dry).await;
    assert!(report.verdict.safe, "{}", report.verdict.line);
}
