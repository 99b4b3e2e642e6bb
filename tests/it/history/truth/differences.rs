//! `diff` of any two times: it leads from what was true at the one to what was true at the other.

use super::{Real, json, lives};
use serde_json::Value;
use std::collections::BTreeMap;

fn index(step: &Value) -> usize {
    let number = step.as_u64().expect("an index");
    usize::try_from(number).expect("small")
}

/// Does to a JSON text what the fields of one part say.
fn applied(before: Option<&str>, part: &str, fields: &[Value]) -> Option<Value> {
    let mut value: Option<Value> = before.map(|text| serde_json::from_str(text).expect("JSON"));
    let of_part = fields.iter().filter(|field| field["part"] == part);
    let (removed, others): (Vec<_>, Vec<_>) =
        of_part.partition(|field| field.get("after").is_none());
    for field in others.into_iter().chain(removed.into_iter().rev()) {
        let path = field["path"].as_array().expect("a path");
        let after = field.get("after").cloned();
        let Some((last, way)) = path.split_last() else {
            value = after;
            continue;
        };
        let mut place = value.as_mut().expect("a value with fields");
        for step in way {
            place = match step.as_str() {
                Some(key) => &mut place[key],
                None => &mut place[index(step)],
            };
        }
        match (place, after) {
            (Value::Object(map), Some(after)) => {
                map.insert(last.as_str().expect("a key").to_owned(), after);
            }
            (Value::Object(map), None) => {
                assert_eq!(
                    map.remove(last.as_str().expect("a key")).as_ref(),
                    field.get("before")
                );
            }
            (Value::Array(list), after) => {
                let at = index(last);
                match (field.get("before"), after) {
                    (None, Some(after)) => list.insert(at, after),
                    (Some(before), Some(after)) => {
                        assert_eq!(&list[at], before);
                        list[at] = after;
                    }
                    (before, None) => assert_eq!(Some(&list.remove(at)), before),
                }
            }
            other => panic!("a path that leads nowhere: {other:?}"),
        }
    }
    value
}

fn without_key(metadata: &str) -> String {
    let mut value: Value = serde_json::from_str(metadata).expect("JSON");
    value.as_object_mut().expect("an object").remove("draftKey");
    value.to_string()
}

fn assert_fields_lead_over(before: &Real, after: &Real, fields: &[Value]) {
    let same = |part: &str, before: Option<&str>, after: Option<&str>| {
        let after: Option<Value> = after.map(|text| serde_json::from_str(text).expect("JSON"));
        assert_eq!(applied(before, part, fields), after, "{part}");
    };
    match (before, after) {
        (
            Real::Content {
                metadata: m1,
                published: p1,
                draft: d1,
            },
            Real::Content {
                metadata: m2,
                published: p2,
                draft: d2,
            },
        ) => {
            same("metadata", Some(&without_key(m1)), Some(&without_key(m2)));
            same("published_body", p1.as_deref(), p2.as_deref());
            same("draft_body", d1.as_deref(), d2.as_deref());
        }
        (
            Real::Medium {
                metadata: m1,
                sha256: s1,
            },
            Real::Medium {
                metadata: m2,
                sha256: s2,
            },
        ) => {
            same("metadata", Some(m1), Some(m2));
            let told = fields
                .iter()
                .any(|field| field["part"] == "file" && field["field"] == "sha256");
            assert_eq!(told, s1 != s2);
        }
        (
            Real::Api {
                name: n1,
                schema: s1,
            },
            Real::Api {
                name: n2,
                schema: s2,
            },
        ) => {
            let value = |name: &str, schema: &str| {
                serde_json::json!({"name": name, "schema": serde_json::from_str::<Value>(schema).expect("JSON")})
                    .to_string()
            };
            same("api", Some(&value(n1, s1)), Some(&value(n2, s2)));
        }
        other => panic!("two kinds: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn between_any_two_times_the_difference_is_that_of_the_two_truths() {
    let (sim, home, eras) = lives(11, 9).await;
    let secrets: Vec<String> = eras
        .iter()
        .flat_map(|era| era.world.values())
        .filter_map(|real| match real {
            Real::Content { metadata, .. } => {
                let value: Value = serde_json::from_str(metadata).expect("JSON");
                value["draftKey"].as_str().map(str::to_owned)
            }
            Real::Medium { .. } | Real::Api { .. } => None,
        })
        .collect();
    assert!(!secrets.is_empty());
    for (index, from) in eras.iter().enumerate() {
        for to in &eras[index..] {
            let (t1, t2) = (from.run.to_string(), to.finished_at.to_string());
            let told = json(&home, &sim, &["diff", &t1, &t2]);
            let mut expected = BTreeMap::new();
            for key in from.world.keys().chain(to.world.keys()) {
                let was_there = eras[..index].iter().any(|era| era.world.contains_key(key));
                let word = match (from.world.get(key), to.world.get(key)) {
                    (Some(a), Some(b)) if a == b => continue,
                    (Some(_), Some(_)) => "changed",
                    (Some(_), None) => "deleted",
                    (None, _) if was_there => "returned",
                    (None, _) => "created",
                };
                expected.insert((key.0.to_owned(), key.1.clone()), word.to_owned());
            }
            let mut got = BTreeMap::new();
            for change in told["changes"].as_array().expect("a list") {
                let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
                let kind = text("kind");
                let name = match &*kind {
                    "content" => format!("{}/{}", text("endpoint"), text("id")),
                    _ => text("id"),
                };
                let key = ["api", "content", "medium"]
                    .into_iter()
                    .find(|k| *k == kind)
                    .expect("a kind");
                let (a, b) = (
                    from.world.get(&(key, name.clone())),
                    to.world.get(&(key, name.clone())),
                );
                if let (Some(a), Some(b)) = (a, b) {
                    assert_fields_lead_over(a, b, change["fields"].as_array().expect("a list"));
                }
                assert_eq!(got.insert((kind, name), text("change")), None, "told twice");
            }
            assert_eq!(got, expected, "diff {t1} {t2}");
            let text = super::told(&home, &sim, &["diff", &t1, &t2]);
            for secret in &secrets {
                assert!(!text.contains(secret) && !told.to_string().contains(secret));
            }
        }
    }
}
