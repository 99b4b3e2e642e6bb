//! Random edits, runs and prunes: the look tells what goes, and nothing that stays is without its file.

use super::world::{add, assert_archive_is_tidy, png, prune_in, read_bodies_again};
use crate::support::{Expect as _, Sandbox, Setup, assert_holds, assert_sound_and_tidy, now};
use fastrand::Rng;
use microcms_backup::model::{Cutoffs, ExitCode, Timestamp};
use microcms_sim::{Edit, Sim};

/// Few bytes, so that many media have the same.
fn bytes(rng: &mut Rng) -> Vec<u8> {
    png(300, rng.u8(0..4))
}

fn edit(sim: &Sim, rng: &mut Rng, name: usize) {
    let ids = sim.media_ids();
    let Some(id) = rng.choice(&ids).cloned() else {
        add(sim, &format!("m{name}.png"), &bytes(rng));
        return;
    };
    let edit = match rng.u8(0..9) {
        0 | 1 => {
            add(sim, &format!("m{name}.png"), &bytes(rng));
            return;
        }
        // The path of one that was deleted, perhaps.
        2 => {
            let name = format!("m{}.png", rng.usize(0..=name));
            let path = format!("/assets/s/{name}");
            if sim
                .truth()
                .media
                .iter()
                .any(|medium| medium.url.ends_with(&path))
            {
                return;
            }
            add(sim, &name, &bytes(rng));
            return;
        }
        3 | 4 => Edit::DeleteMedium { id },
        5 => Edit::RenameMedium {
            id,
            name: format!("renamed{name}.png"),
            touch: true,
        },
        6 => Edit::ReplaceUnderNewUrl {
            id,
            bytes: Some(bytes(rng)),
        },
        _ => Edit::ReplaceBytes {
            id,
            bytes: Some(bytes(rng)),
            touch: true,
            stale_requests: 0,
        },
    };
    sim.edit(edit).expect("an edit that fits");
}

/// A moment that was, or none.
fn some(rng: &mut Rng, moments: &[Timestamp]) -> Option<Timestamp> {
    rng.choice(moments).copied().filter(|_| rng.u8(0..4) > 0)
}

async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let sim = Sim::builder()
        .media(2)
        .published_list_api("blog", 5)
        .start()
        .await;
    let home = Sandbox::new();
    let mut moments = Vec::new();
    let allowing = || Setup {
        allow_deletes: 100,
        ..Setup::default()
    };
    home.sync(&sim).await.expect_complete();
    for round in 0..8 {
        for n in 0..rng.usize(1..5) {
            edit(&sim, &mut rng, round * 10 + n);
        }
        if rng.bool() {
            let contents = sim.content_ids("blog");
            if let Some(id) = rng.choice(&contents) {
                let (endpoint, id) = ("blog".to_owned(), id.clone());
                sim.edit(Edit::DeleteContent { endpoint, id })
                    .expect("deleted");
            }
        }
        for _ in 0..rng.usize(1..3) {
            home.sync_with(&sim, allowing()).await.expect_complete();
        }
        read_bodies_again(&home, &sim).await;
        moments.push(now());
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        if rng.u8(0..3) > 0 {
            let cutoffs = Cutoffs {
                superseded_before: some(&mut rng, &moments),
                deleted_before: some(&mut rng, &moments),
            };
            let told = prune_in(&home, cutoffs, true).await.expect("a look");
            let done = prune_in(&home, cutoffs, false).await.expect("a prune");
            assert_eq!(
                (told.rows, told.files),
                (done.rows, done.files),
                "seed {seed}, round {round}: {cutoffs:?}"
            );
            assert_eq!(
                (done.exit_code, done.waiting),
                (ExitCode::Complete.code(), 0)
            );
            assert_eq!((done.files.moved, done.files.left), (0, 0));
            assert_sound_and_tidy(&home);
            assert_archive_is_tidy(&home);
        }
        assert_holds_if_settled(&home, &sim);
    }
}

/// A medium is deleted by the second run only; until then the backup holds more than the service.
fn assert_holds_if_settled(home: &Sandbox, sim: &Sim) {
    if home.count("SELECT count(*) FROM absences") == 0 {
        assert_holds(home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happened_the_look_tells_what_goes_and_what_stays_is_whole() {
    for seed in 0..4 {
        run(seed).await;
    }
}
