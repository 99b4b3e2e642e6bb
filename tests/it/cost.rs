//! What a run costs: nothing where nothing changed, and what changed once.

mod contents;
mod looks;
mod media;
mod scale;
mod urls;

use crate::support::{Bill, Expect as _, Sandbox, Setup};
use microcms_backup::model::Timestamp;
use microcms_sim::{Edit, Sim};
use std::collections::BTreeMap;
use std::time::Duration;

fn after(time: Duration) -> Timestamp {
    crate::support::now().plus(time)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn in_11_minutes() -> Timestamp {
    after(Duration::from_secs(11 * 60))
}

fn in_2_days() -> Timestamp {
    after(2 * DAY)
}

fn in_3_days() -> Timestamp {
    after(3 * DAY)
}

fn in_40_days() -> Timestamp {
    after(40 * DAY)
}

fn in_400_days() -> Timestamp {
    after(400 * DAY)
}

/// How many rows a table has.
fn rows(home: &Sandbox, table: &str) -> u64 {
    home.count(&format!("SELECT count(*) FROM {table}"))
}

/// How long the file of a medium is now.
fn size(sim: &Sim, id: &str) -> u64 {
    sim.truth().medium(id).expect("a medium").size
}

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
fn rows_of(media: u64, versions: u64, looks: u64) -> BTreeMap<String, u64> {
    Bill::of_rows(&[
        ("media: update", media),
        ("media_history: insert", media),
        ("assets: update", looks),
        ("assets_history: insert", versions),
        ("leaves: insert", media + versions),
    ])
}

/// Nothing happened since: nothing is asked and nothing is written.
async fn assert_quiet(home: &Sandbox, sim: &Sim, setup: Setup, what: &str) {
    let (report, bill) = home.billed(sim, setup).await;
    report.expect_complete();
    assert_eq!(bill, Bill::default(), "{what}: the run after it");
}
