//! Files that the mirror has no place for.

use super::{after, at};
use crate::support::{
    Expect as _, Sandbox, Setup, Volume, assert_holds, assert_sound_and_tidy, replace_bytes,
};
use microcms_backup::model::{ExitCode, Problem, Timestamp};
use microcms_sim::{Edit, Sim};
use std::path::{Path, PathBuf};

/// The folder of the one host that has files.
fn host_folder(home: &Sandbox) -> PathBuf {
    std::fs::read_dir(home.path("mirror"))
        .expect("the mirror")
        .flatten()
        .find(|entry| entry.file_name() != ".tmp")
        .expect("a host")
        .path()
}

/// Takes both places of a host's files away, its own folder left as it is.
fn block(host: &Path) {
    std::os::unix::fs::symlink("/nowhere", host.join("assets")).expect("a link");
    std::fs::write(host.join("_unsafe"), "").expect("a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keeps_all_files_of_a_host_out_is_found_before_they_are_paid_for() {
    let sim = Sim::builder().media(6).media_size(500..=500).start().await;
    let home = Sandbox::new();
    home.sync_with(&sim, at(after::<0>)).await.expect_complete();
    let host = host_folder(&home);
    std::fs::rename(&host, home.path("elsewhere")).expect("moved");
    let in_the_way: [fn(&Path); 2] = [
        |host| std::os::unix::fs::symlink("/nowhere", host).expect("a link"),
        |host| std::fs::write(host, "").expect("a file"),
    ];
    for (run, put) in in_the_way.into_iter().enumerate() {
        put(&host);
        sim.forget_requests();
        let report = home.sync_with(&sim, at(after::<1>)).await;
        let report = report.expect_code(ExitCode::Partial);
        assert_eq!(sim.counters().assets(), 0, "{run}");
        let told =
            |problem: &Problem| problem.message.contains("is in the way") && problem.hint.is_some();
        let told = report.problems.iter().filter(|problem| told(problem));
        assert_eq!(told.count(), 1, "{:#?}", report.problems);
        std::fs::remove_file(&host).expect("it goes");
    }
    // Nothing has failed that would have to wait.
    std::fs::rename(home.path("elsewhere"), &host).expect("back");
    home.sync_with(&sim, at(after::<1>)).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0, "all was there");
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_put_in_their_places_are_not_paid_for_in_each_run() {
    let sim = Sim::builder().media(6).media_size(500..=500).start().await;
    let home = Sandbox::new();
    home.sync_with(&sim, at(after::<0>)).await.expect_complete();
    // Below its host's folder, where nobody tries it before.
    let host = host_folder(&home);
    std::fs::rename(host.join("assets"), home.path("elsewhere")).expect("moved");
    block(&host);
    let runs: [(fn() -> Timestamp, bool); 5] = [
        (after::<1>, true),
        (after::<2>, true),
        (after::<3>, false),
        (after::<20>, false),
        (after::<40>, true),
    ];
    for (clock, is_asked) in runs {
        sim.forget_requests();
        home.sync_with(&sim, at(clock))
            .await
            .expect_code(ExitCode::Partial);
        assert_eq!(sim.counters().assets() > 0, is_asked, "{}", clock());
    }
    std::fs::remove_file(host.join("assets")).expect("the link goes");
    std::fs::remove_file(host.join("_unsafe")).expect("the file goes");
    std::fs::rename(home.path("elsewhere"), host.join("assets")).expect("back");
    let again = Setup {
        is_impatient: true,
        ..at(after::<41>)
    };
    home.sync_with(&sim, again).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_takes_no_file_ends_the_downloads_after_some() {
    let sim = Sim::builder()
        .media(600)
        .media_size(500..=500)
        .start()
        .await;
    let home = Sandbox::new();
    for host in [sim.image_host(), sim.file_host()] {
        let folder = home.path("mirror").join(host.replace(':', "_"));
        std::fs::create_dir_all(&folder).expect("made");
        block(&folder);
    }
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert!(report.assets.owed > 500, "{}", report.assets.owed);
    let asked = sim.counters().assets();
    // What was received and waited for its group came as well.
    assert!((16..400).contains(&asked), "{asked} of 600");
    let told: Vec<_> = report
        .problems
        .iter()
        .filter(|problem| problem.scope == "assets" && problem.hint.is_some())
        .collect();
    assert_eq!(told.len(), 1, "{:#?}", report.problems);
    assert!(told[0].message.contains("is in the way"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_s_folder_that_is_a_mount_of_its_own_costs_nothing() {
    let sim = Sim::builder().media(6).media_size(500..=500).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let Some(volume) = Volume::mount(host_folder(&home), "size=1m") else {
        return;
    };
    // What it hides is missing, and would be fetched into it.
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(sim.counters().assets(), 0);
    let hints: Vec<&str> = report
        .problems
        .iter()
        .filter_map(|problem| problem.hint.as_deref())
        .collect();
    assert!(
        hints.iter().any(|hint| hint.contains("mount of its own")),
        "{report:#?}"
    );
    drop(volume);
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0, "all is there again");
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_without_room_costs_nothing_and_keeps_no_new_file_out() {
    let sim = Sim::builder()
        .media(6)
        .media_size(9_000..=9_000)
        .start()
        .await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("archive"), "size=16k") else {
        return;
    };
    home.sync(&sim).await.expect_complete();
    std::fs::write(volume.path("filling"), [0; 8_000]).expect("written");
    for id in sim.media_ids().iter().take(3) {
        replace_bytes(&sim, id.clone());
    }
    let added = Edit::AddMedium {
        name: "new.png".into(),
        bytes: None,
        path: None,
        alt: None,
        tags: Vec::new(),
    };
    sim.edit(added).expect("added");
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(
        (sim.counters().assets(), report.assets.owed),
        (1, 3),
        "the new one"
    );
    volume.remount("size=1m");
    std::fs::remove_file(volume.path("filling")).expect("it goes");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}
