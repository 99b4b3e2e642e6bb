//! Random sequences of edits against a naive model that keeps every state in full.

use super::{Sandbox, content, content_id, endpoint, media_id, medium};
use crate::model::{
    AssetOutcome, AssetStep, BodyOutcome, BodyStep, ContentStep, MediumStep, Timestamp, Why,
};
use proptest::prelude::*;
use rusqlite::named_params;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) enum Edit {
    /// A content is listed with this text; its body is owed.
    List {
        id: usize,
        text: u8,
    },
    /// Every owed body arrives.
    Answer {
        body: u8,
    },
    /// All bodies are asked for again, and these come.
    Revise {
        body: u8,
    },
    Retire {
        id: usize,
    },
    ListMedium {
        id: usize,
        text: u8,
    },
    /// Every owed file arrives.
    Save {
        bytes: u8,
    },
    RetireMedium {
        id: usize,
    },
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0..3_usize, 0..3_u8).prop_map(|(id, text)| Edit::List { id, text }),
        2 => (0..3_u8).prop_map(|body| Edit::Answer { body }),
        1 => (0..3_u8).prop_map(|body| Edit::Revise { body }),
        1 => (0..3_usize).prop_map(|id| Edit::Retire { id }),
        4 => (0..3_usize, 0..3_u8).prop_map(|(id, text)| Edit::ListMedium { id, text }),
        2 => (0..3_u8).prop_map(|bytes| Edit::Save { bytes }),
        1 => (0..3_usize).prop_map(|id| Edit::RetireMedium { id }),
    ]
}

const IDS: [&str; 3] = ["a", "b", "c"];

/// What is there, by kind and id, as one text each.
type State = BTreeMap<String, String>;

/// The naive side: what each thing looks like, and when that began.
#[derive(Default)]
pub(super) struct Model {
    contents: BTreeMap<&'static str, Content>,
    media: BTreeMap<&'static str, String>,
    files: BTreeMap<&'static str, String>,
    owed_files: BTreeMap<&'static str, ()>,
}

#[derive(Clone)]
struct Content {
    metadata: String,
    body: Option<String>,
}

impl Model {
    fn state(&self) -> State {
        let contents = self.contents.iter().map(|(id, content)| {
            let body = content.body.as_deref().unwrap_or("-");
            (
                format!("content {id}"),
                format!("{} {body}", content.metadata),
            )
        });
        let media = self
            .media
            .iter()
            .map(|(id, text)| (format!("medium {id}"), text.clone()));
        let files = self
            .files
            .iter()
            .map(|(id, sha)| (format!("file {id}"), sha.clone()));
        contents.chain(media).chain(files).collect()
    }
}

pub(super) fn apply(home: &mut Sandbox, model: &mut Model, edit: &Edit, now: Timestamp) {
    let blog = endpoint("blog");
    match edit {
        Edit::List { id, text } => {
            let id = IDS[*id];
            let listed = content(id, "PUBLISH", &text.to_string());
            let is_same = model
                .contents
                .get(id)
                .is_some_and(|old| old.metadata == listed.metadata);
            if !is_same {
                let metadata = listed.metadata.clone();
                model.contents.insert(
                    id,
                    Content {
                        metadata,
                        body: None,
                    },
                );
            }
            let step = ContentStep::Record {
                content: listed,
                published: if is_same {
                    BodyStep::Keep
                } else {
                    BodyStep::Fetch
                },
                draft: BodyStep::Clear,
            };
            home.store.record_contents(&blog, &[step], now).unwrap();
        }
        Edit::Answer { body } => answer(home, model, *body, now),
        Edit::Revise { body } => {
            home.store.refetch_all_bodies(&blog, now).unwrap();
            answer(home, model, *body, now);
        }
        Edit::Retire { id } => {
            home.store
                .retire_contents(&blog, &[content_id(IDS[*id])], now)
                .unwrap();
            model.contents.remove(IDS[*id]);
        }
        Edit::ListMedium { id, text } => {
            let id = IDS[*id];
            let listed = medium(id, "https://host/x", &format!(r#","updatedAt":"{text}""#));
            let is_same = model.media.get(id) == Some(&listed.metadata);
            if !is_same {
                model.media.insert(id, listed.metadata.clone());
                model.owed_files.insert(id, ());
            }
            let asset = if is_same {
                AssetStep::Keep
            } else {
                AssetStep::Fetch(Why::Changed)
            };
            home.store
                .record_media(
                    &[MediumStep::Record {
                        medium: listed,
                        asset,
                    }],
                    now,
                )
                .unwrap();
        }
        Edit::Save { bytes } => {
            let owed = home.store.owed_assets(None, 100, false, now).unwrap();
            let mut asked: Vec<_> = owed.iter().map(|owed| owed.media_id.as_str()).collect();
            asked.sort_unstable();
            assert_eq!(asked, model.owed_files.keys().copied().collect::<Vec<_>>());
            let outcomes: Vec<_> = owed.into_iter().map(|owed| saved(owed, *bytes)).collect();
            home.store.record_assets(&outcomes, now).unwrap();
            for (id, ()) in std::mem::take(&mut model.owed_files) {
                model.files.insert(id, format!("sha{bytes}"));
            }
        }
        Edit::RetireMedium { id } => {
            home.store.retire_media(&[media_id(IDS[*id])], now).unwrap();
            model.media.remove(IDS[*id]);
            model.owed_files.remove(IDS[*id]);
        }
    }
}

fn saved(owed: crate::model::OwedAsset, bytes: u8) -> AssetOutcome {
    AssetOutcome::Saved {
        path: format!("host/{}", owed.media_id),
        media_id: owed.media_id,
        owed_at: owed.owed_at,
        url: owed.listed_url,
        bytes: 1,
        sha256: format!("sha{bytes}"),
        content_type: None,
        etag: None,
        last_modified: None,
        recheck_at: None,
        rechecks: 0,
    }
}

fn answer(home: &mut Sandbox, model: &mut Model, body: u8, now: Timestamp) {
    let owed = home
        .store
        .owed_bodies(&endpoint("blog"), None, 100, true)
        .unwrap();
    let outcomes: Vec<_> = owed
        .into_iter()
        .map(|owed| {
            let content = model
                .contents
                .get_mut(owed.id.as_str())
                .expect("only live contents owe");
            content.body = Some(body.to_string());
            BodyOutcome::Saved {
                endpoint: endpoint("blog"),
                id: owed.id,
                side: owed.side,
                owed_at: owed.owed_at,
                body: body.to_string(),
                digest: None,
            }
        })
        .collect();
    home.store.record_bodies(&outcomes, now).unwrap();
    assert_eq!(home.ask("SELECT count(*) FROM owed_bodies"), "0");
}

/// What the timelines say of the instant `t`, with the clause that the README gives.
pub(super) fn as_of(home: &Sandbox, t: Timestamp) -> Vec<(String, String)> {
    home.store
        .read("test", |conn| {
            conn.prepare_cached(
                "SELECT 'content ' || id, metadata || ' ' || ifnull(published_body, '-') FROM contents_timeline
                 WHERE valid_from <= :t AND (valid_to IS NULL OR :t < valid_to)
                 UNION ALL SELECT 'file ' || media_id, sha256 FROM assets_timeline
                 WHERE valid_from <= :t AND (valid_to IS NULL OR :t < valid_to) AND sha256 IS NOT NULL
                 UNION ALL SELECT 'medium ' || id, metadata FROM media_timeline
                 WHERE valid_from <= :t AND (valid_to IS NULL OR :t < valid_to)
                 ORDER BY 1",
            )?
            .query_map(named_params! { ":t": t }, |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
        .unwrap()
}

/// Versions of one thing, tombstones included, follow one another without overlap or gap.
pub(super) fn breaks(home: &Sandbox) -> String {
    home.ask(
        "WITH versions (thing, valid_from, valid_to) AS (
             SELECT 'content ' || id, valid_from, valid_to FROM contents_history
             UNION ALL SELECT 'content ' || id, valid_from, NULL FROM contents
             UNION ALL SELECT 'medium ' || id, valid_from, valid_to FROM media_history
             UNION ALL SELECT 'medium ' || id, valid_from, NULL FROM media
             UNION ALL SELECT 'file ' || media_id, valid_from, valid_to FROM assets_history
             UNION ALL SELECT 'file ' || media_id, valid_from, NULL FROM assets),
         ordered AS (
             SELECT *, lead(valid_from) OVER (PARTITION BY thing ORDER BY valid_from) AS next FROM versions)
         SELECT count(*) FROM ordered WHERE valid_to IS NOT next OR valid_to <= valid_from",
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bodies and first bytes that were owed fill in the version they belong to, so the state that
    /// an instant had is compared as it is known in the end: the last one that was seen of it.
    #[test]
    fn the_past_reads_at_every_instant_as_it_was(
        edits in prop::collection::vec((edit(), 1_i64..4), 1..40),
    ) {
        let mut home = Sandbox::new();
        let mut model = Model::default();
        let mut states: BTreeMap<i64, State> = BTreeMap::new();
        let mut millis = 1_700_000_100_000_i64;
        for (edit, pause) in &edits {
            let before = model.contents.clone();
            let files_before = model.files.clone();
            apply(&mut home, &mut model, edit, Timestamp::from_unix_millis(millis));
            fill_in(&mut states, &before, &files_before, &model, &home);
            states.insert(millis, model.state());
            prop_assert_eq!(breaks(&home), "0");
            millis += pause;
        }
        // What was recorded must not depend on when it is asked: every instant, the ones between too.
        let first = *states.keys().next().unwrap();
        for t in first..millis {
            let (_, expected) = states.range(..=t).next_back().unwrap();
            let got: State = as_of(&home, Timestamp::from_unix_millis(t)).into_iter().collect();
            prop_assert_eq!(&got, expected, "at {}", t - first);
        }
        prop_assert!(as_of(&home, Timestamp::from_unix_millis(first - 1)).is_empty());
    }

    /// A clock that stands still or goes back makes no version overlap, and loses none.
    #[test]
    fn a_bad_clock_breaks_no_timeline(
        edits in prop::collection::vec((edit(), -5_i64..2), 1..40),
    ) {
        let mut home = Sandbox::new();
        let mut model = Model::default();
        let mut millis = 1_700_000_100_000_i64;
        for (edit, step) in &edits {
            apply(&mut home, &mut model, edit, Timestamp::from_unix_millis(millis));
            prop_assert_eq!(breaks(&home), "0");
            millis += step;
        }
        let end = Timestamp::from_unix_millis(1_700_009_000_000);
        let got: State = as_of(&home, end).into_iter().collect();
        prop_assert_eq!(got, model.state());
    }
}

/// Where a body or a file came for a version that had none, the states since that version began are
/// told of it.
fn fill_in(
    states: &mut BTreeMap<i64, State>,
    contents: &BTreeMap<&'static str, Content>,
    files: &BTreeMap<&'static str, String>,
    model: &Model,
    home: &Sandbox,
) {
    for (id, old) in contents {
        let Some(new) = model.contents.get(id) else {
            continue;
        };
        if let (None, Some(body), true) = (&old.body, &new.body, old.metadata == new.metadata) {
            let (empty, full) = (
                format!("{} -", old.metadata),
                format!("{} {body}", old.metadata),
            );
            let key = format!("content {id}");
            for state in states.values_mut().rev() {
                match state.get_mut(&key) {
                    Some(text) if *text == empty => *text = full.clone(),
                    Some(_) | None => break,
                }
            }
        }
    }
    for (id, sha) in &model.files {
        if !files.contains_key(id) {
            let listed = home.ask(&format!(
                "SELECT valid_from FROM assets WHERE media_id = '{id}'"
            ));
            let listed = Timestamp::parse(&listed).unwrap().unix_millis();
            for (_, state) in states.range_mut(listed..) {
                state.insert(format!("file {id}"), sha.clone());
            }
        }
    }
}
