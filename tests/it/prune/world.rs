//! A backup with a past, and ways to prune it at any moment.

use crate::assets::PNG_END;
use crate::support::{Expect as _, Sandbox, Setup, files, now};
use microcms_backup::mirror::{self, Mirror, Reader};
use microcms_backup::model::{Cutoffs, PruneReport, Timestamp};
use microcms_backup::store::{self, Mode, Store, StoreThread};
use microcms_backup::sync::{Only, PruneError, PruneFiles, PruneOptions, PruneRooms, Stop, prune};
use microcms_sim::{Edit, Sim};
use serde_json::{Map, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::coop::{has_budget_remaining, poll_proceed};

pub(crate) use crate::support::archived;

/// The clock of a `prune`: so late that every age can be told from it.
pub(crate) fn far() -> Timestamp {
    Timestamp::from_unix_millis(4_000_000_000_000)
}

/// A service and its backup after three phases of edits.
pub(crate) struct World {
    pub(crate) sim: Sim,
    pub(crate) home: Sandbox,
    phases: Vec<Timestamp>,
}

impl World {
    pub(crate) async fn small() -> Self {
        let sim = Sim::builder()
            .media(6)
            .media_size(500..=4_000)
            .published_list_api("blog", 6)
            .published_list_api("news", 3)
            .object_api("about")
            .start()
            .await;
        let ids = sim.media_ids();
        let back_and_forth = add(&sim, "back.png", &png(1_000, 1));
        let replaced = add(&sim, "replaced.png", &png(1_100, 2));
        let twins = ["twin1.png", "twin2.png"].map(|name| add(&sim, name, &png(1_200, 3)));
        let mut world = Self {
            sim,
            home: Sandbox::new(),
            phases: Vec::new(),
        };
        world.home.sync(&world.sim).await.expect_complete();

        let contents = world.sim.content_ids("blog");
        world.replace(&back_and_forth, &png(1_001, 4));
        world.replace(&replaced, &png(1_101, 5));
        world.edit(Edit::RenameMedium {
            id: ids[1].clone(),
            name: "renamed.png".into(),
            touch: true,
        });
        world.edit(Edit::ReplaceUnderNewUrl {
            id: ids[2].clone(),
            bytes: None,
        });
        world.write(&contents[0], "one");
        world.write(&contents[1], "one");
        world.edit(Edit::RenameApi {
            endpoint: "blog".into(),
            name: "The blog".into(),
        });
        world.end_phase().await;

        world.replace(&back_and_forth, &png(1_000, 1));
        world.write(&contents[0], "two");
        world.edit(Edit::DeleteContent {
            endpoint: "blog".into(),
            id: contents[2].clone(),
        });
        world.edit(Edit::DeleteApi {
            endpoint: "news".into(),
        });
        for id in [&replaced, &twins[0]] {
            world.edit(Edit::DeleteMedium { id: id.clone() });
        }
        world.end_phase().await;

        world.replace(&ids[4], &png(1_300, 6));
        world.write(&contents[1], "two");
        world.edit(Edit::DeleteMedium { id: ids[5].clone() });
        world.end_phase().await;
        world
    }

    pub(crate) fn edit(&self, edit: Edit) {
        self.sim.edit(edit).expect("an edit that fits");
    }

    pub(crate) fn replace(&self, id: &str, bytes: &[u8]) {
        self.edit(Edit::ReplaceBytes {
            id: id.to_owned(),
            bytes: Some(bytes.to_vec()),
            touch: true,
            stale_requests: 0,
        });
    }

    fn write(&self, id: &str, title: &str) {
        let mut fields = Map::new();
        fields.insert("title".into(), json!(title));
        self.edit(Edit::EditBody {
            endpoint: "blog".into(),
            id: id.to_owned(),
            fields,
        });
    }

    /// Two runs, which is what a deletion of a medium takes.
    async fn end_phase(&mut self) {
        for _ in 0..2 {
            self.home.sync(&self.sim).await.expect_complete();
        }
        read_bodies_again(&self.home, &self.sim).await;
        // A moment of its own, whatever the clock's resolution: what follows is after it.
        self.phases.push(now());
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }

    /// When a phase had ended and the next one had not begun; `None` for 0.
    pub(crate) fn end_of_phase(&self, number: usize) -> Option<Timestamp> {
        number.checked_sub(1).map(|index| self.phases[index])
    }

    pub(crate) async fn prune(&self, cutoffs: Cutoffs) -> PruneReport {
        prune_in(&self.home, cutoffs, false)
            .await
            .expect("a prune that can be done")
    }

    pub(crate) async fn dry_run(&self, cutoffs: Cutoffs) -> PruneReport {
        prune_in(&self.home, cutoffs, true)
            .await
            .expect("a look that can be had")
    }
}

/// What was deleted leaves the bodies that named it, without a trace in their metadata.
pub(crate) async fn read_bodies_again(home: &Sandbox, sim: &Sim) {
    let full = Setup {
        is_full: true,
        only: Only {
            contents: true,
            media: false,
            assets: false,
        },
        ..Setup::default()
    };
    home.sync_with(sim, full).await.expect_complete();
}

/// Adds a medium with these bytes.
pub(crate) fn add(sim: &Sim, name: &str, bytes: &[u8]) -> String {
    sim.edit(Edit::AddMedium {
        name: name.to_owned(),
        bytes: Some(bytes.to_vec()),
        path: Some(format!("/assets/s/{name}")),
        alt: None,
        tags: Vec::new(),
    })
    .expect("a new medium")
}

/// Something that is taken for an image.
pub(crate) fn png(length: usize, fill: u8) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length.saturating_sub(PNG_END.len()).max(8), fill);
    bytes.extend(PNG_END);
    bytes
}

fn options(cutoffs: Cutoffs) -> PruneOptions {
    let age = |before: Option<Timestamp>| before.map(|t| far().since(t).expect("not later"));
    PruneOptions {
        service: service(),
        superseded: age(cutoffs.superseded_before),
        deleted: age(cutoffs.deleted_before),
        now: far,
    }
}

/// The simulator's service, which it is not told otherwise here.
fn service() -> String {
    "demo".to_owned()
}

fn open(home: &Sandbox, is_dry_run: bool) -> (Store, PruneFiles) {
    let mode = if is_dry_run {
        Mode::DryRun
    } else {
        Mode::ReadWrite
    };
    let options = store::Options {
        path: home.database(),
        service_id: service(),
        mode,
    };
    let store = Store::open(&options, far()).expect("the database opens");
    let options = mirror::Options {
        root: home.path("mirror"),
        archive: home.path("archive"),
        file_mode: None,
        dir_mode: None,
    };
    let files = if is_dry_run {
        PruneFiles::Look(Reader::open(&options).expect("the mirror opens"))
    } else {
        PruneFiles::Remove(Arc::new(Mirror::open(&options).expect("the mirror opens")))
    };
    (store, files)
}

/// Prunes, or looks what would go.
pub(crate) async fn prune_in(
    home: &Sandbox,
    cutoffs: Cutoffs,
    is_dry_run: bool,
) -> Result<PruneReport, PruneError> {
    prune_until(home, cutoffs, is_dry_run, Stop::default()).await
}

/// Prunes until a stop is asked for.
pub(crate) async fn prune_until(
    home: &Sandbox,
    cutoffs: Cutoffs,
    is_dry_run: bool,
    stop: Stop,
) -> Result<PruneReport, PruneError> {
    prune_with(home, options(cutoffs), is_dry_run, stop).await
}

/// The same with another clock, which is asked at each step.
pub(crate) async fn prune_by_clock(
    home: &Sandbox,
    cutoffs: Cutoffs,
    now: fn() -> Timestamp,
    stop: Stop,
) -> Result<PruneReport, PruneError> {
    let options = PruneOptions {
        now,
        ..options(cutoffs)
    };
    prune_with(home, options, false, stop).await
}

async fn prune_with(
    home: &Sandbox,
    options: PruneOptions,
    is_dry_run: bool,
    stop: Stop,
) -> Result<PruneReport, PruneError> {
    let (store, files) = open(home, is_dry_run);
    let (store, thread) = StoreThread::spawn(store).expect("a thread");
    let report = prune(options, PruneRooms { store, files }, stop).await;
    thread.join().await.expect("the database closes");
    report
}

/// Spends what a task may do before it has to yield, up to `most` times. Returns how often that was.
fn spend(context: &mut Context<'_>, most: usize) -> usize {
    let mut spent = 0;
    while spent < most && has_budget_remaining() {
        if let Poll::Ready(proceed) = poll_proceed(context) {
            proceed.made_progress();
        }
        spent += 1;
    }
    spent
}

/// Prunes until `is_enough`, which is asked before each step, and then does nothing more: no step is begun any
/// more, the one under way ends. `None` if it was cut off; else its report.
pub(crate) fn prune_cut_off(
    home: &Sandbox,
    cutoffs: Cutoffs,
    mut is_enough: impl FnMut() -> bool,
) -> Option<Result<PruneReport, PruneError>> {
    // Its end waits for the step under way.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (store, files) = open(home, false);
        let (store, thread) = StoreThread::spawn(store).expect("a thread");
        let rooms = PruneRooms { store, files };
        let mut work = Box::pin(prune(options(cutoffs), rooms, Stop::default()));
        // With a budget of one, what follows a step that ended at once waits for the next poll.
        let mut budget = None;
        let ended = std::future::poll_fn(|context| {
            if is_enough() {
                return Poll::Ready(None);
            }
            let Some(budget) = budget else {
                budget = Some(spend(context, usize::MAX));
                context.waker().wake_by_ref();
                return Poll::Pending;
            };
            spend(context, budget - 1);
            work.as_mut().poll(context).map(Some)
        })
        .await;
        drop(work);
        thread.join().await.expect("the database closes");
        ended
    })
}

/// Every row but those of the books, one text each.
pub(crate) fn dump(home: &Sandbox) -> Vec<String> {
    let sql = home.sql();
    let mut rows = Vec::new();
    for table in [
        "endpoints",
        "endpoints_history",
        "contents",
        "contents_history",
        "media",
        "media_history",
        "assets",
        "assets_history",
        "owed_bodies",
        "absences",
        "doomed_files",
    ] {
        let mut query = sql.prepare(&format!("SELECT * FROM {table}")).expect(table);
        let columns = query.column_count();
        let found = query
            .query_map([], |row| {
                let values: Result<Vec<rusqlite::types::Value>, _> =
                    (0..columns).map(|column| row.get(column)).collect();
                Ok(format!("{table} {:?}", values?))
            })
            .expect(table);
        rows.extend(found.map(|row| row.expect("a row")));
    }
    rows.sort();
    rows
}

/// Every file of mirror and archive with its bytes.
pub(crate) fn files_on_disk(home: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    ["mirror", "archive"]
        .iter()
        .flat_map(|root| files(&home.path(root)))
        .map(|file| {
            let bytes = std::fs::read(&file).expect("a file");
            let name = file
                .strip_prefix(home.path("."))
                .unwrap_or(&file)
                .display()
                .to_string();
            (name, bytes)
        })
        .collect()
}

/// The archive has nothing that no row tells of.
#[track_caller]
pub(crate) fn assert_archive_is_tidy(home: &Sandbox) {
    let told = home.texts("SELECT sha256 FROM assets_history UNION SELECT sha256 FROM assets");
    for file in files(&home.path("archive")) {
        let name = file
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(told.contains(&name), "nobody needs {name}");
    }
}

/// Folders below those of the hosts that hold nothing.
pub(crate) fn empty_folders(root: &Path) -> Vec<PathBuf> {
    let mut empty = Vec::new();
    let mut folders: Vec<PathBuf> = entries(root)
        .into_iter()
        .filter(|path| !path.ends_with(".tmp"))
        .flat_map(|host| entries(&host))
        .filter(|path| path.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        let inside = entries(&folder);
        if inside.is_empty() {
            empty.push(folder);
        }
        folders.extend(inside.into_iter().filter(|path| path.is_dir()));
    }
    empty
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

/// Copies a backup, database and all.
pub(crate) fn copy_of(home: &Sandbox) -> Sandbox {
    let copy = Sandbox::new();
    copy_folder(&home.path("."), &copy.path("."));
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for path in entries(from) {
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}
