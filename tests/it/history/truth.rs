//! Random edits over many runs: for every time, what is told is what was true.

mod differences;

use super::{json, told};
use crate::support::{Expect as _, Sandbox, Setup};
use microcms_backup::model::Timestamp;
use microcms_sim::{ApiKind, Edit, Sim, Status};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A thing as the simulator has it, by `kind name`.
#[derive(Clone, Debug, PartialEq)]
enum Real {
    Content {
        metadata: String,
        published: Option<String>,
        draft: Option<String>,
    },
    Medium {
        metadata: String,
        sha256: String,
    },
    Api {
        name: String,
        schema: String,
    },
}

type World = BTreeMap<(&'static str, String), Real>;

/// What the service had when a run was over.
struct Era {
    run: i64,
    started_at: Timestamp,
    finished_at: Timestamp,
    world: World,
}

fn world(sim: &Sim, before: Option<&World>, unlisted: &mut BTreeSet<String>) -> World {
    let truth = sim.truth();
    let mut world = World::new();
    for api in &truth.endpoints {
        let real = Real::Api {
            name: api.name.clone(),
            schema: api.schema.clone(),
        };
        world.insert(("api", api.endpoint.clone()), real);
    }
    for content in &truth.contents {
        let real = Real::Content {
            metadata: content.metadata.clone(),
            published: content.published.clone(),
            draft: content.draft.clone(),
        };
        world.insert(
            ("content", format!("{}/{}", content.endpoint, content.id)),
            real,
        );
    }
    for medium in &truth.media {
        let real = Real::Medium {
            metadata: medium.listing.clone(),
            sha256: medium.sha256(),
        };
        world.insert(("medium", medium.id.clone()), real);
    }
    // One listing that lacks a medium is no proof; the second one is.
    for (key, real) in before.into_iter().flatten() {
        if key.0 == "medium" && !world.contains_key(key) && unlisted.insert(key.1.clone()) {
            world.insert(key.clone(), real.clone());
        }
    }
    world
}

/// Dice that fall the same way in every run of the test.
struct Dice(fastrand::Rng);

impl Dice {
    fn pick<'a>(&mut self, among: &'a [String]) -> Option<&'a str> {
        (!among.is_empty()).then(|| among[self.0.usize(..among.len())].as_str())
    }

    fn fields(&mut self) -> Map<String, Value> {
        let n = self.0.u32(..1000);
        let html = format!("<h2>見出し {}</h2><p>本文 {n}</p><p>same</p>", n % 3);
        let value = serde_json::json!({
            "title": format!("題名 {n}"), "body": html,
            "items": (0..self.0.u32(..4)).map(|i| serde_json::json!({"n": i + n % 2})).collect::<Vec<_>>(),
        });
        value.as_object().expect("an object").clone()
    }
}

/// Does something in the admin screen; what is not possible just now is not done.
fn edit(sim: &Sim, dice: &mut Dice, gone: &mut Vec<String>) {
    let blog = "blog".to_owned();
    let contents = sim.content_ids("blog");
    let media = sim.media_ids();
    let Some(id) = dice.pick(&contents).map(str::to_owned) else {
        return;
    };
    let Some(medium) = dice.pick(&media).map(str::to_owned) else {
        return;
    };
    let endpoint = blog.clone();
    let name = format!("写真 {}.png", dice.0.u32(..100));
    let done = match dice.0.u32(..20) {
        0 | 1 => Edit::AddContent {
            endpoint,
            id: gone.pop(),
            status: Status::Publish,
            fields: Some(dice.fields()),
            place: 0,
        },
        2 | 3 if contents.len() > 2 => {
            gone.push(id.clone());
            Edit::DeleteContent { endpoint, id }
        }
        4 | 5 => Edit::EditBody {
            endpoint,
            id,
            fields: dice.fields(),
        },
        6 | 7 => Edit::AddDraft {
            endpoint,
            id,
            fields: dice.fields(),
        },
        8 => Edit::Publish { endpoint, id },
        9 => Edit::DiscardDraft { endpoint, id },
        10 => Edit::Close { endpoint, id },
        11 => Edit::BackToDraft { endpoint, id },
        12 => Edit::SetCreatedBy {
            endpoint,
            id,
            member: name,
        },
        13 => Edit::SetAlt {
            id: medium,
            alt: Some(name),
            touch: dice.0.bool(),
        },
        14 => Edit::ReplaceBytes {
            id: medium,
            bytes: None,
            touch: true,
            stale_requests: 0,
        },
        15 => Edit::RenameMedium {
            id: medium,
            name,
            touch: true,
        },
        16 if media.len() > 2 => Edit::DeleteMedium { id: medium },
        17 => Edit::AddMedium {
            name,
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        },
        18 => Edit::RenameApi { endpoint, name },
        _ => Edit::AddField {
            endpoint,
            field: format!("f{}", dice.0.u32(..1000)),
        },
    };
    drop(sim.edit(done));
}

async fn lives(seed: u64, runs: usize) -> (Sim, Sandbox, Vec<Era>) {
    let sim = Sim::builder()
        .seed(seed)
        .media(4)
        .list_api("blog", 4)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::in_memory();
    let mut dice = Dice(fastrand::Rng::with_seed(seed));
    let (mut eras, mut gone, mut unlisted) = (Vec::<Era>::new(), Vec::new(), BTreeSet::new());
    for _ in 0..runs {
        // What a deleted content leaves in others' bodies is in no listing; only `--full` finds it.
        let is_full = true;
        let setup = Setup {
            is_full,
            ..Setup::default()
        };
        let report = home.sync_with(&sim, setup).await;
        // The file of a medium that was deleted upstream is asked for once more, until it counts as deleted.
        assert!(
            [0, 3].contains(&report.exit_code),
            "{}\n{:#?}",
            report.verdict.line,
            report.problems
        );
        let before = eras.last().map(|era| &era.world);
        let world = world(&sim, before, &mut unlisted);
        eras.push(Era {
            run: i64::try_from(eras.len() + 1).expect("few runs"),
            started_at: report.started_at,
            finished_at: report.finished_at,
            world,
        });
        // Sometimes nothing happens between two runs.
        for _ in 0..dice.0.usize(..6) {
            edit(&sim, &mut dice, &mut gone);
        }
    }
    (sim, home, eras)
}

#[derive(Deserialize)]
struct Shown {
    deleted_at: Option<String>,
    metadata: Option<Box<RawValue>>,
    published_body: Option<Box<RawValue>>,
    draft_body: Option<Box<RawValue>>,
    file: Option<File>,
    name: Option<String>,
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct File {
    sha256: Option<String>,
    place: std::path::PathBuf,
}

/// Asks for one thing at one time, and returns it as the simulator would tell it; `None` if it is said to be
/// deleted, or not there yet.
fn shown(home: &Sandbox, sim: &Sim, key: &(&'static str, String), at: &str) -> Option<Real> {
    let only = match key.0 {
        "content" => "contents",
        "medium" => "media",
        _ => "apis",
    };
    let words = ["show", &key.1, "--only", only, "--at", at, "--json"];
    let said = super::ask(home, sim, &words);
    if said.code == 2 {
        assert!(
            said.message.contains("was not there yet at"),
            "{}",
            said.message
        );
        return None;
    }
    assert_eq!(said.code, 0, "{words:?} {}", said.message);
    let shown: Shown = serde_json::from_str(&said.text).expect("JSON");
    if shown.deleted_at.is_some() {
        assert!(shown.metadata.is_none() && shown.schema.is_none());
        return None;
    }
    let text = |raw: Option<Box<RawValue>>| raw.map(|raw| raw.get().to_owned());
    Some(match key.0 {
        "content" => Real::Content {
            metadata: text(shown.metadata).expect("metadata"),
            published: text(shown.published_body),
            draft: text(shown.draft_body),
        },
        "medium" => {
            let file = shown.file.expect("a file");
            let sha256 = file.sha256.expect("a digest");
            // The place is no claim: the bytes of that time lie there, in the mirror or the archive.
            let bytes = std::fs::read(&file.place).expect("the file is there");
            assert_eq!(
                crate::support::digest(&bytes),
                sha256,
                "{}",
                file.place.display()
            );
            Real::Medium {
                metadata: text(shown.metadata).expect("metadata"),
                sha256,
            }
        }
        _ => Real::Api {
            name: shown.name.expect("a name"),
            schema: text(shown.schema).expect("a schema"),
        },
    })
}

fn between(a: Timestamp, b: Timestamp) -> String {
    Timestamp::from_unix_millis(i64::midpoint(a.unix_millis(), b.unix_millis())).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn at_every_time_each_thing_is_shown_as_it_was() {
    let (sim, home, eras) = lives(7, 9).await;
    let everything: BTreeSet<_> = eras
        .iter()
        .flat_map(|era| era.world.keys().cloned())
        .collect();
    let first = &eras[0];
    for (index, era) in eras.iter().enumerate() {
        let next = eras.get(index + 1);
        // The times at which this is the truth: its run's end, a run's number, between two runs, now.
        let times = [
            era.finished_at.to_string(),
            era.run.to_string(),
            next.map_or("now".to_owned(), |next| {
                between(era.finished_at, next.started_at)
            }),
        ];
        for key in &everything {
            // Each time for some things, so that the test stays quick: every era and thing is asked once.
            let at = &times[(index + key.1.len()) % times.len()];
            let real = era.world.get(key).cloned();
            assert_eq!(
                shown(&home, &sim, key, at),
                real,
                "{key:?} at {at}, run {}",
                era.run
            );
        }
        // In the middle of a run each thing is as before or as behind it.
        if index > 0 {
            let at = between(era.started_at, era.finished_at);
            for key in era.world.keys().step_by(4) {
                let known = shown(&home, &sim, key, &at);
                let sides = [eras[index - 1].world.get(key), era.world.get(key)];
                assert!(sides.contains(&known.as_ref()), "{key:?} at {at}");
            }
        }
    }
    // Something was deleted, and something is new.
    let last = &eras[eras.len() - 1].world;
    assert!(first.world.keys().any(|key| !last.contains_key(key)));
    assert!(everything.len() > first.world.len());
}

/// Each version that began, and nothing else, is in the history, the newest first.
#[tokio::test(flavor = "multi_thread")]
async fn the_history_has_every_version_once() {
    let (sim, home, _) = lives(13, 6).await;
    let versions = home.count(
        "SELECT (SELECT count(*) FROM contents) + (SELECT count(*) FROM contents_history)
              + (SELECT count(*) FROM media) + (SELECT count(*) FROM media_history)
              + (SELECT count(*) FROM endpoints) + (SELECT count(*) FROM endpoints_history)
              + (SELECT count(*) FROM assets_history)",
    );
    let all = json(&home, &sim, &["history", "--limit", "0"]);
    let changes = all["changes"].as_array().expect("a list");
    assert_eq!(changes.len() as u64, versions);
    assert_eq!(all["has_more"], false);
    let times: Vec<&str> = changes
        .iter()
        .map(|c| c["at"].as_str().expect("a time"))
        .collect();
    assert!(times.is_sorted_by(|a, b| a >= b));

    let some = json(&home, &sim, &["history", "--limit", "3"]);
    assert_eq!(some["has_more"], true);
    assert_eq!(
        some["changes"].as_array().expect("a list")[..],
        changes[..3]
    );
    assert!(told(&home, &sim, &["history", "--limit", "3"]).contains("… and earlier ones"));

    // By runs: together they are everything.
    let mut of_runs = 0;
    for run in ["1", "2", "3", "4", "5", "6"] {
        let part = json(
            &home,
            &sim,
            &["history", "-n0", "--since", run, "--until", run],
        );
        of_runs += part["changes"].as_array().expect("a list").len();
    }
    assert_eq!(of_runs, changes.len());

    let one = changes
        .iter()
        .rev()
        .find(|c| c["kind"] == "content")
        .expect("a content");
    let name = format!(
        "{}/{}",
        one["endpoint"].as_str().expect("e"),
        one["id"].as_str().expect("i")
    );
    let its = json(&home, &sim, &["history", &name]);
    let of_all: Vec<&Value> = changes
        .iter()
        .filter(|c| c["endpoint"] == one["endpoint"] && c["id"] == one["id"])
        .collect();
    assert_eq!(
        its["changes"]
            .as_array()
            .expect("a list")
            .iter()
            .collect::<Vec<_>>(),
        of_all
    );
    assert_eq!(of_all.last().expect("one")["change"], "created");
    drop(sim.edit(Edit::AddApi {
        endpoint: "news".to_owned(),
        kind: ApiKind::List,
        contents: 1,
    }));
    home.sync(&sim).await.expect_complete();
    let of_news = json(&home, &sim, &["history", "--endpoint", "news"]);
    assert_eq!(of_news["changes"].as_array().expect("a list").len(), 2);
}
