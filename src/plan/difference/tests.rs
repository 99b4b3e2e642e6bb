use super::*;
use crate::model::Timestamp;
use crate::model::past::{ContentState, Thing};
use crate::model::{ContentId, Endpoint};
use proptest::prelude::*;
use serde_json::json;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4_i64).prop_map(Value::from),
        "[ab<]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[abc.]{1,2}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Does to `value` what the changes say: sets and additions in their order, then removals from behind.
fn apply(mut value: Option<Value>, changes: &[FieldChange]) -> Option<Value> {
    let (removed, others): (Vec<_>, Vec<_>) =
        changes.iter().partition(|change| change.after.is_none());
    for change in others.into_iter().chain(removed.into_iter().rev()) {
        let Some((last, way)) = change.path.split_last() else {
            value = change.after.clone();
            continue;
        };
        let mut place = value.as_mut().expect("a value with fields");
        for step in way {
            place = match step {
                Step::Key(key) => &mut place[key],
                Step::Index(index) => &mut place[*index],
            };
        }
        match (last, place, &change.before, &change.after) {
            (Step::Key(key), Value::Object(map), _, Some(after)) => {
                map.insert(key.clone(), after.clone());
            }
            (Step::Key(key), Value::Object(map), before, None) => {
                assert_eq!(map.remove(key), *before);
            }
            (Step::Index(at), Value::Array(list), None, Some(after)) => {
                list.insert(*at, after.clone());
            }
            (Step::Index(at), Value::Array(list), Some(before), Some(after)) => {
                assert_eq!(list[*at], *before);
                list[*at] = after.clone();
            }
            (Step::Index(at), Value::Array(list), before, None) => {
                assert_eq!(Some(list.remove(*at)), *before);
            }
            other => panic!("a step that leads nowhere: {other:?}"),
        }
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_changes_applied_to_the_old_value_give_the_new_one(
        before in prop::option::of(value()), after in prop::option::of(value()),
    ) {
        let changes = fields(before.as_ref(), after.as_ref());
        prop_assert_eq!(apply(before.clone(), &changes), after.clone());
        prop_assert_eq!(changes.is_empty(), before == after);
    }

    #[test]
    fn lines_put_together_are_the_texts(
        before in "(<p>|</p>|<br/>|<li class=\"x\">|<|>|a|あ|\n){0,12}",
        after in "(<p>|</p>|<br/>|<li class=\"x\">|<|>|a|あ|\n){0,12}",
    ) {
        prop_assert_eq!(split(&before).concat(), before.as_str());
        prop_assert!(split(&before).iter().all(|line| !line.is_empty()));
        for found in [lines(&before, &after), text::coarse_for_test(&before, &after)] {
            let (mut old, mut new) = (String::new(), String::new());
            for line in &found {
                match line {
                    Line::Same(text) => {
                        old.push_str(text);
                        new.push_str(text);
                    }
                    Line::Removed(text) => old.push_str(text),
                    Line::Added(text) => new.push_str(text),
                }
            }
            prop_assert_eq!((&old, &new), (&before, &after));
            let is_same = found.iter().all(|line| matches!(line, Line::Same(_)));
            prop_assert_eq!(is_same, before == after);
        }
    }
}

#[test]
fn an_entry_at_the_top_of_a_repeater_is_one_addition() {
    let before = json!({"items": [{"title": "a"}, {"title": "b"}]});
    let after = json!({"items": [{"title": "new"}, {"title": "a"}, {"title": "b"}]});
    let changes = fields(Some(&before), Some(&after));
    assert_eq!(changes.len(), 1);
    assert_eq!(path_text(&changes[0].path), "items[0]");
    assert_eq!(
        (&changes[0].before, &changes[0].after),
        (&None, &Some(json!({"title": "new"})))
    );
}

#[test]
fn ways_are_written_as_people_write_them() {
    let key = |text: &str| Step::Key(text.to_owned());
    let path = [key("items"), Step::Index(2), key("見出し"), key("a.b")];
    assert_eq!(path_text(&path), "items[2].見出し[\"a.b\"]");
    assert_eq!(path_text(&[]), "");
}

#[test]
fn a_rich_text_is_cut_at_its_blocks() {
    assert_eq!(
        split("<p>one<br>two</p><ul><li>a &lt; b</li></ul>x < y\nlast"),
        [
            "<p>one<br>",
            "two</p>",
            "<ul>",
            "<li>a &lt; b</li>",
            "</ul>",
            "x < y\n",
            "last"
        ]
    );
    assert!(looks_rich("<p>a</p>") && looks_rich("a<BR/>b"));
    assert!(!looks_rich("a < b") && !looks_rich("1<2>3") && !looks_rich("<p"));
}

fn version(status: &str, metadata: &str, published: Option<&str>, draft: Option<&str>) -> Version {
    let thing = Thing::Content(
        Endpoint::parse("blog").unwrap(),
        ContentId::parse("a").unwrap(),
    );
    Version {
        thing,
        valid_from: Timestamp::EPOCH,
        valid_to: None,
        deleted_at: None,
        state: State::Content(Box::new(ContentState {
            metadata: metadata.to_owned(),
            open_metadata: metadata.to_owned(),
            draft_key: None,
            status: Some(status.to_owned()),
            updated_by: None,
            facts: Vec::new(),
            published: published.map(str::to_owned),
            draft: draft.map(str::to_owned),
        })),
    }
}

fn deleted(mut version: Version) -> Version {
    version.deleted_at = Some(Timestamp::EPOCH);
    version
}

#[test]
fn what_became_of_a_thing_follows_from_its_two_versions() {
    let live = version("PUBLISH", "{}", Some("{}"), None);
    let dead = deleted(live.clone());
    let became = |before: Option<&Version>, after: Option<&Version>| {
        difference(before, after).map(|found| found.became)
    };
    for (before, after, expected) in [
        (None, None, None),
        (None, Some(&dead), None),
        (Some(&dead), None, None),
        (Some(&dead), Some(&dead), None),
        (Some(&live), Some(&live), None),
        (None, Some(&live), Some(Became::Created)),
        (Some(&dead), Some(&live), Some(Became::Returned)),
        (Some(&live), Some(&dead), Some(Became::Deleted)),
        (Some(&live), None, Some(Became::Deleted)),
    ] {
        assert_eq!(became(before, after), expected);
    }
}

#[test]
fn a_body_that_has_not_come_is_no_body_that_was_removed() {
    let old = version("PUBLISH", "{}", Some(r#"{"a":1}"#), None);
    let owed = version("PUBLISH", r#"{"n":1}"#, None, None);
    let found = difference(Some(&old), Some(&owed)).unwrap();
    assert_eq!(found.missing, [Part::PublishedBody]);
    assert_eq!(found.parts.len(), 1, "{found:?}");

    let unpublished = version("DRAFT", "{}", None, Some(r#"{"a":2}"#));
    let found = difference(Some(&old), Some(&unpublished)).unwrap();
    assert_eq!(found.missing, []);
    let parts: Vec<Part> = found.parts.iter().map(|change| change.part).collect();
    assert_eq!(parts, [Part::PublishedBody, Part::DraftBody]);
    assert_eq!(found.parts[0].fields[0].after, None);
}

#[test]
fn a_text_that_only_looks_different_has_no_fields() {
    let old = version("PUBLISH", "{}", Some(r#"{"a":1}"#), None);
    let new = version("PUBLISH", "{}", Some(r#"{ "a": 1 }"#), None);
    let found = difference(Some(&old), Some(&new)).unwrap();
    assert_eq!(found.parts[0].fields, []);
}
