//! What a run costs: nothing where nothing changed, and what changed once.

mod contents;
mod media;
mod scale;

use crate::support::Sandbox;
use microcms_backup::model::Timestamp;
use microcms_sim::Sim;
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
