//! What people ask of the database, held against what the service really held.

use crate::support::{Expect as _, Sandbox, Setup, now};
use microcms_sim::{Edit, Sim, Truth};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Endpoint, id, metadata, published body, draft body.
type State = BTreeMap<(String, String), (String, Option<String>, Option<String>)>;

/// A service that is edited at random, and its backup.
struct Life {
    sim: Sim,
    home: Sandbox,
    random: fastrand::Rng,
    /// The path of every medium that there ever was, by id, and of one that never was.
    paths: BTreeMap<String, String>,
    words: u32,
}

const GHOST: &str = "/assets/0000/ffff/幽霊.png";

/// The decoded path of a URL; the tests' own way to it.
fn path_of(url: &str) -> String {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default();
    format!("/{}", percent_decode_str(path).decode_utf8_lossy())
}

impl Life {
    async fn new(seed: u64) -> Self {
        let sim = Sim::builder()
            .seed(seed)
            .media(8)
            .media_size(100..=300)
            .list_api("blog", 8)
            .object_api("about")
            .start()
            .await;
        let mut life = Self {
            sim,
            home: Sandbox::in_memory(),
            random: fastrand::Rng::with_seed(seed),
            paths: BTreeMap::from([("ghost".to_owned(), GHOST.to_owned())]),
            words: 0,
        };
        life.learn_paths();
        life
    }

    fn learn_paths(&mut self) {
        for medium in self.sim.truth().media {
            self.paths.insert(medium.id, path_of(&medium.url));
        }
    }

    fn one(&mut self, of: &[String]) -> Option<String> {
        (!of.is_empty()).then(|| of[self.random.usize(..of.len())].clone())
    }

    /// Fields that name a medium in one of the ways that people and editors do.
    fn fields(&mut self) -> Map<String, Value> {
        self.words += 1;
        let all: Vec<String> = self.paths.values().cloned().collect();
        let path = self.one(&all).expect("a path");
        let escaped: String = path.bytes().fold(String::new(), |text, byte| {
            if byte.is_ascii_alphanumeric() || b"/.-_".contains(&byte) {
                text + &char::from(byte).to_string()
            } else {
                text + &format!("%{byte:02x}")
            }
        });
        let url = format!("https://cdn.example.com{escaped}");
        let text = format!("東京都庁{}号", self.words);
        let (key, value) = match self.random.u8(..8) {
            0 => ("image", json!({"url": url, "width": 1, "height": 2})),
            1 => ("gallery", json!([{"url": url, "width": 1, "height": 2}])),
            2 => (
                "rich",
                json!(format!("<p>a<img src=\"{url}?w=1&amp;h=2\"></p>")),
            ),
            3 => (
                "rich",
                json!(format!("<p><a href='//x.jp{path}'>京<b>都</b></a></p>")),
            ),
            4 => {
                // Where a name has no ending, nobody can tell it from the sentence.
                let space = if path.ends_with(".png") { "" } else { " " };
                ("text", json!(format!("画像は{url}{space}です。")))
            }
            5 => (
                "parts",
                json!([{"fieldId": "p", "deep": {"fieldId": "q", "file": {"url": url, "fileSize": 1}}}]),
            ),
            6 => ("extension", json!({"data": {"src": format!("{url}#top")}})),
            _ => ("text", json!("この記事は画像を使わない")),
        };
        let mut fields = Map::new();
        fields.insert("title".into(), json!(text));
        fields.insert(key.into(), value);
        fields
    }

    fn edit(&mut self) {
        let media = self.sim.media_ids();
        let contents = self.sim.content_ids("blog");
        let endpoint = || "blog".to_owned();
        let (Some(id), fields) = (self.one(&contents), self.fields()) else {
            return;
        };
        let edit = match self.random.u8(..10) {
            0 => Edit::AddMedium {
                name: format!("写真 {}.png", self.words),
                bytes: None,
                path: None,
                alt: None,
                tags: Vec::new(),
            },
            1 if media.len() > 4 => Edit::DeleteMedium {
                id: self.one(&media).expect("a medium"),
            },
            2 if contents.len() > 4 => Edit::DeleteContent {
                endpoint: endpoint(),
                id,
            },
            3 => Edit::AddContent {
                endpoint: endpoint(),
                id: None,
                status: if self.random.bool() {
                    microcms_sim::Status::Publish
                } else {
                    microcms_sim::Status::Draft
                },
                fields: Some(fields),
                place: 0,
            },
            4 => Edit::AddDraft {
                endpoint: endpoint(),
                id,
                fields,
            },
            5 => Edit::DiscardDraft {
                endpoint: endpoint(),
                id,
            },
            6 => Edit::Publish {
                endpoint: endpoint(),
                id,
            },
            _ => Edit::EditBody {
                endpoint: endpoint(),
                id,
                fields,
            },
        };
        // Not every edit fits every status; then nothing happened.
        drop(self.sim.edit(edit));
        self.learn_paths();
    }

    /// Two runs, which is what a deletion of a medium takes.
    async fn run(&self) {
        let full = || Setup {
            is_full: true,
            allow_deletes: 100,
            ..Setup::default()
        };
        // The first one may find a file gone whose medium it cannot call deleted yet.
        self.home.sync_with(&self.sim, full()).await;
        self.home
            .sync_with(&self.sim, full())
            .await
            .expect_complete();
    }
}

fn state(truth: &Truth) -> State {
    let contents = truth.contents.iter().map(|content| {
        let key = (content.endpoint.clone(), content.id.clone());
        let state = (
            content.metadata.clone(),
            content.published.clone(),
            content.draft.clone(),
        );
        (key, state)
    });
    contents.collect()
}

/// Which paths each content names: every string of its bodies, unescaped as a whole, is searched for each path.
fn named(life: &Life, truth: &Truth) -> BTreeSet<(String, String)> {
    let mut named = BTreeSet::new();
    for content in &truth.contents {
        for body in [&content.published, &content.draft].into_iter().flatten() {
            let text = percent_decode_str(body).decode_utf8_lossy().into_owned();
            for path in life.paths.values() {
                if text.contains(path.as_str()) {
                    named.insert((content.id.clone(), path.clone()));
                }
            }
        }
    }
    named
}

fn pairs(home: &Sandbox, sql: &str) -> BTreeSet<(String, String)> {
    let conn = home.sql();
    let mut query = conn.prepare(sql).expect(sql);
    let rows = query
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .expect(sql);
    rows.map(|row| row.expect(sql)).collect()
}

fn set(texts: Vec<String>) -> BTreeSet<String> {
    texts.into_iter().collect()
}

fn assert_references(life: &Life) {
    let truth = life.sim.truth();
    let named = named(life, &truth);
    let live: BTreeSet<String> = truth.media.iter().map(|m| path_of(&m.url)).collect();
    let used: BTreeSet<&String> = named.iter().map(|(_, path)| path).collect();
    let unused: BTreeSet<String> = truth
        .media
        .iter()
        .filter(|m| !used.contains(&path_of(&m.url)))
        .map(|m| m.id.clone())
        .collect();
    let found = set(life.home.texts("SELECT id FROM media_unused"));
    if let Some(id) = found.symmetric_difference(&unused).next() {
        let path = &life.paths[id];
        let all: Vec<&String> = truth
            .contents
            .iter()
            .flat_map(|c| [&c.published, &c.draft])
            .flatten()
            .filter(|b| {
                percent_decode_str(b)
                    .decode_utf8_lossy()
                    .contains(path.as_str())
            })
            .collect();
        panic!("medium {id} at {path} is named by {all:#?}");
    }
    let uses: BTreeSet<_> = named
        .iter()
        .filter(|(_, path)| live.contains(path))
        .cloned()
        .collect();
    let sql = "SELECT u.id, r.path FROM media_uses AS u
               JOIN media_references AS r USING (endpoint, id, side, field, url)
               WHERE u.medium_deleted_at IS NULL";
    assert_eq!(pairs(&life.home, sql), uses);
    let missing: BTreeSet<_> = named
        .iter()
        .filter(|(_, path)| !live.contains(path))
        .cloned()
        .collect();
    assert_eq!(
        pairs(
            &life.home,
            "SELECT m.id, r.path FROM references_missing AS m
               JOIN media_references AS r USING (endpoint, id, side, field, url)"
        ),
        missing
    );
    for (field, url) in pairs(
        &life.home,
        "SELECT r.url, iif(r.side = 'draft', c.draft_body, c.published_body) ->> r.field
         FROM media_references AS r JOIN contents AS c USING (endpoint, id) WHERE r.place = 'field'",
    ) {
        assert_eq!(field, url, "the path leads to the URL");
    }
}

fn assert_search(life: &Life) {
    let truth = life.sim.truth();
    for n in 1..=life.words {
        let word = format!("東京都庁{n}号");
        let mut expected = BTreeSet::new();
        for content in &truth.contents {
            for (side, body) in [("published", &content.published), ("draft", &content.draft)] {
                if body.as_ref().is_some_and(|body| body.contains(&word)) {
                    expected.insert((content.id.clone(), side.to_owned()));
                }
            }
        }
        for sql in [
            format!(
                "SELECT id, side FROM contents_search WHERE contents_search MATCH '\"{word}\"'"
            ),
            format!("SELECT id, side FROM contents_search WHERE text LIKE '%{word}%'"),
        ] {
            assert_eq!(pairs(&life.home, &sql), expected, "{sql}");
        }
    }
    let (two, three) = ("LIKE '%京都%'", "LIKE '%東京都%'");
    assert!(
        life.home.count(&format!(
            "SELECT count(*) FROM contents_search WHERE text {two}"
        )) >= life.home.count(&format!(
            "SELECT count(*) FROM contents_search WHERE text {three}"
        ))
    );
    let conn = rusqlite::Connection::open(life.home.database()).expect("the database opens");
    conn.execute_batch(
        "INSERT INTO contents_search (contents_search, rank) VALUES ('integrity-check', 1)",
    )
    .expect("the index is what the texts say");
    assert_eq!(life.home.count("SELECT count(*) FROM unread"), 0);
}

fn assert_past(life: &Life, recorded: &[(String, State)]) {
    let conn = life.home.sql();
    for (at, state) in recorded {
        let sql = "SELECT endpoint, id, metadata, published_body, draft_body FROM contents_timeline
                   WHERE valid_from <= ?1 AND (valid_to IS NULL OR ?1 < valid_to)";
        let mut query = conn.prepare(sql).expect("a query");
        let rows = query.query_map([at], |row| {
            Ok((
                (row.get(0)?, row.get(1)?),
                (row.get(2)?, row.get(3)?, row.get(4)?),
            ))
        });
        let found: State = rows.expect("rows").map(|row| row.expect("a row")).collect();
        assert_eq!(&found, state, "as of {at}");
    }
    for pair in recorded.windows(2) {
        let ((from, before), (to, after)) = (&pair[0], &pair[1]);
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).cloned().collect();
        let moved: BTreeSet<_> = keys
            .into_iter()
            .filter(|key| before.get(key) != after.get(key))
            .collect();
        let sql = format!(
            "SELECT endpoint, id FROM changes WHERE kind = 'content' AND at > '{from}' AND at <= '{to}'"
        );
        assert_eq!(pairs(&life.home, &sql), moved, "between {from} and {to}");
        for (key, word) in [(false, "created"), (true, "deleted")] {
            let expected: BTreeSet<_> = if key {
                before
                    .keys()
                    .filter(|key| !after.contains_key(*key))
                    .cloned()
                    .collect()
            } else {
                after
                    .keys()
                    .filter(|key| !before.contains_key(*key))
                    .cloned()
                    .collect()
            };
            let told = pairs(&life.home, &format!("{sql} AND change = '{word}'"));
            assert_eq!(told, expected, "{word} between {from} and {to}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_was_edited_references_search_and_the_past_equal_the_truth() {
    for seed in 1..=4 {
        let mut life = Life::new(seed).await;
        let mut recorded = Vec::new();
        for _ in 0..6 {
            life.run().await;
            assert_references(&life);
            assert_search(&life);
            recorded.push((now().to_string(), state(&life.sim.truth())));
            for _ in 0..6 {
                life.edit();
            }
        }
        assert_past(&life, &recorded);
    }
}

/// What a person sees who types into the plain shell.
fn shell(home: &Sandbox, sql: &str) -> Option<String> {
    let output = Command::new("sqlite3")
        .arg("-readonly")
        .arg(home.database())
        .arg(sql)
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{sql}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_answers_in_the_plain_shell_while_a_writer_holds_the_database() {
    let mut life = Life::new(7).await;
    life.run().await;
    for _ in 0..8 {
        life.edit();
    }
    life.run().await;
    let writer = rusqlite::Connection::open(life.home.database()).expect("the database opens");
    writer
        .execute_batch("BEGIN IMMEDIATE; DELETE FROM contents;")
        .expect("a writer in the middle of its work");
    let views = life
        .home
        .texts("SELECT name FROM sqlite_schema WHERE type = 'view'");
    assert!(views.len() >= 14, "{views:?}");
    for view in views {
        let Some(_) = shell(&life.home, &format!("SELECT * FROM {view}")) else {
            eprintln!("skipped: there is no `sqlite3` here");
            return;
        };
    }
    let found = shell(
        &life.home,
        "SELECT snippet(contents_search, -1, '[', ']', '…', 8) FROM contents_search WHERE contents_search MATCH '東京都庁'",
    );
    assert!(found.is_some_and(|text| text.contains("[東京都庁]")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_somebody_deletes_by_hand_leave_the_search_and_the_references() {
    let mut life = Life::new(9).await;
    for _ in 0..10 {
        life.edit();
    }
    life.run().await;
    let conn = rusqlite::Connection::open(life.home.database()).expect("the database opens");
    assert!(
        life.home
            .count("SELECT count(*) FROM contents_search WHERE side = 'draft'")
            > 0
    );
    conn.execute_batch("DELETE FROM content_texts WHERE side = 'draft'; DELETE FROM media_references WHERE side = 'draft';
        INSERT INTO contents_search (contents_search, rank) VALUES ('integrity-check', 1);")
        .expect("both agree");
    assert_eq!(
        life.home
            .count("SELECT count(*) FROM contents_search WHERE side = 'draft'"),
        0
    );
    assert_eq!(
        life.home
            .count("SELECT count(*) FROM media_references WHERE side = 'draft'"),
        0
    );
}
