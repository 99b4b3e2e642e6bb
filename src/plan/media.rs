//! What to do about a listed medium and its file.

use crate::model::{
    AssetRow, AssetStep, AssetUrl, KnownMedium, ListedMedium, MediumStep, Timestamp, Why,
    is_same_json, is_same_time,
};
use std::time::Duration;

/// When to look again at a file whose `updatedAt` moved while its bytes did not: the CDN may have
/// served old ones (microcms-facts 4.3, 8.12). After the last look it is believed.
const RECHECKS: [Duration; 2] = [
    Duration::from_secs(10 * 60),
    Duration::from_secs(24 * 60 * 60),
];

/// How many looks there are at a file that should have changed.
pub(super) const LOOKS: usize = RECHECKS.len();

/// Decides what to do about one listed medium. `known` is what the database holds of it, with the
/// recorded JSON read again (`None` beside it: that text is the listed one, or can no longer be read).
pub fn medium_step(
    listed: ListedMedium,
    known: Option<(&KnownMedium, Option<&ListedMedium>)>,
) -> MediumStep {
    let Some((known, before)) = known else {
        return MediumStep::Record {
            medium: listed,
            asset: AssetStep::Fetch(Why::New),
        };
    };
    if !known.is_deleted && is_same_json(&known.metadata, &listed.metadata) {
        return match &known.asset {
            Some(_) => MediumStep::Keep,
            None => MediumStep::Asset {
                id: listed.id,
                asset: AssetStep::Fetch(Why::New),
            },
        };
    }
    let asset = asset_step(&listed, known, before);
    MediumStep::Record {
        medium: listed,
        asset,
    }
}

fn asset_step(
    listed: &ListedMedium,
    known: &KnownMedium,
    before: Option<&ListedMedium>,
) -> AssetStep {
    let is_saved = known
        .asset
        .as_ref()
        .is_some_and(|asset| asset.sha256.is_some());
    if !is_saved {
        return AssetStep::Fetch(Why::New);
    }
    let is_as_it_was = known.metadata == listed.metadata;
    let Some(before) = before.or(is_as_it_was.then_some(listed)) else {
        return AssetStep::Fetch(Why::Changed);
    };
    if known.is_deleted {
        // A file that is uploaded anew is another medium: one that comes back as it was, was not listed for a while.
        return match is_same_file(listed, before) {
            true => AssetStep::Fetch(Why::Retouched),
            false => AssetStep::Fetch(Why::Changed),
        };
    }
    // Width and height cannot move without the bytes. One that is not told, then or now, is unknown: see below.
    if has_moved(listed.width, before.width) || has_moved(listed.height, before.height) {
        return AssetStep::Fetch(Why::Resized);
    }
    let is_moved = listed.url != before.url;
    // The switch to a custom domain rewrites every URL at once and no bytes: media are known by id and
    // path (microcms-facts 4.1, 8.15).
    if is_moved && !is_same_but_host(&listed.url, &before.url) {
        return AssetStep::Fetch(Why::Changed);
    }
    let is_described_anew = listed.description != before.description;
    match (&before.updated_at, &listed.updated_at) {
        // The listing's older form had no `updatedAt` (nor `tags`). When one form follows the other, every
        // medium changes at once and none of their bytes: revalidation covers them.
        (None, Some(_)) | (Some(_), None) if !is_moved => AssetStep::Keep,
        (None, Some(_)) | (Some(_), None) => AssetStep::Fetch(Why::Moved),
        // A description may be all that moved the stamp, but a re-upload takes the `alt` away as well, and who uploads a
        // file anew describes it next.
        _ if has_alt(before) && !has_alt(listed) => AssetStep::Fetch(Why::Stripped),
        (old, new) if is_described_anew && !is_same_time(old, new) => {
            AssetStep::Fetch(Why::Retouched)
        }
        // One that was replaced by a file of another kind may have a size now, or none any more (microcms-facts 8.10).
        (old, new)
            if old.is_some()
                && is_same_time(old, new)
                && !is_moved
                && is_size_told_anew(listed, before) =>
        {
            AssetStep::Fetch(Why::Retouched)
        }
        _ if is_described_anew => AssetStep::Fetch(Why::Described),
        (old, new) if is_same_time(old, new) && is_moved => AssetStep::Fetch(Why::Moved),
        (old, new) if is_same_time(old, new) => AssetStep::Keep,
        _ => AssetStep::Fetch(Why::Changed),
    }
}

fn has_moved(listed: Option<i64>, before: Option<i64>) -> bool {
    listed
        .zip(before)
        .is_some_and(|(listed, before)| listed != before)
}

/// Returns whether all that tells of the bytes is the same, and told.
fn is_same_file(listed: &ListedMedium, before: &ListedMedium) -> bool {
    let (then, now) = (&before.updated_at, &listed.updated_at);
    then.is_some()
        && is_same_time(then, now)
        && listed.url == before.url
        && (listed.width, listed.height) == (before.width, before.height)
}

/// Returns whether the size is told where it was not, or the other way round.
fn is_size_told_anew(listed: &ListedMedium, before: &ListedMedium) -> bool {
    listed.width.is_some() != before.width.is_some()
        || listed.height.is_some() != before.height.is_some()
}

/// The description is the `alt`, empty where there is none, and the tags on a line of their own.
fn has_alt(medium: &ListedMedium) -> bool {
    !medium.description.is_empty() && !medium.description.starts_with('\n')
}

fn is_same_but_host(listed: &str, before: &str) -> bool {
    match (AssetUrl::parse(listed), AssetUrl::parse(before)) {
        (Ok(listed), Ok(before)) => listed.is_same_but_host(&before),
        (Ok(_) | Err(_), _) => false,
    }
}

/// When to look once more, and how often that was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recheck {
    /// Not before this; `None`: no more.
    pub at: Option<Timestamp>,
    /// Looks planned so far for this version, this one included.
    pub count: u32,
}

/// Decides about another look after the host said that the bytes are still the saved ones.
pub fn recheck(why: Why, row: &AssetRow, now: Timestamp) -> Recheck {
    let done = match why {
        Why::Changed | Why::Resized | Why::Stripped | Why::Retouched => 0,
        Why::Recheck => row.rechecks,
        // Nothing said that the bytes changed; what was planned before stays planned.
        Why::Moved | Why::Described | Why::Missing | Why::Damaged => {
            return Recheck {
                at: row.recheck_at,
                count: row.rechecks,
            };
        }
        Why::New | Why::Asked | Why::Due => {
            return Recheck::default();
        }
    };
    let wait = usize::try_from(done)
        .ok()
        .and_then(|done| RECHECKS.get(done));
    match wait {
        Some(wait) => Recheck {
            at: Some(now.plus(*wait)),
            count: done + 1,
        },
        None => Recheck {
            at: None,
            count: done,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AssetState, MediaId};

    fn listed(updated_at: Option<&str>, url: &str, description: &str) -> ListedMedium {
        ListedMedium {
            id: MediaId::parse("m1").unwrap(),
            url: url.to_owned(),
            file_name: "a.png".to_owned(),
            width: Some(10),
            height: Some(20),
            updated_at: updated_at.map(str::to_owned),
            description: description.to_owned(),
            metadata: format!("{updated_at:?}{url}{description}"),
        }
    }

    fn saved(before: &ListedMedium) -> KnownMedium {
        let asset = AssetRow {
            media_id: before.id.clone(),
            url: before.url.clone(),
            path: Some("h/a.png".to_owned()),
            bytes: Some(3),
            sha256: Some("00".repeat(32)),
            content_type: None,
            etag: None,
            last_modified: None,
            state: AssetState::Saved,
            why: None,
            attempts: 0,
            recheck_at: None,
            rechecks: 0,
            announced_bytes: None,
        };
        KnownMedium {
            metadata: before.metadata.clone(),
            is_deleted: false,
            asset: Some(asset),
        }
    }

    fn step(before: &ListedMedium, now: ListedMedium) -> Option<AssetStep> {
        match medium_step(now, Some((&saved(before), Some(before)))) {
            MediumStep::Keep => None,
            MediumStep::Record { asset, .. } | MediumStep::Asset { asset, .. } => Some(asset),
        }
    }

    #[test]
    fn only_what_can_have_changed_the_bytes_asks_for_them() {
        let before = listed(Some("t1"), "u1", "d1");
        let cases = [
            (listed(Some("t1"), "u1", "d1"), None),
            (
                listed(Some("t2"), "u1", "d1"),
                Some(AssetStep::Fetch(Why::Changed)),
            ),
            (
                listed(Some("t1"), "u2", "d1"),
                Some(AssetStep::Fetch(Why::Changed)),
            ),
            (
                listed(Some("t1"), "u1", "d2"),
                Some(AssetStep::Fetch(Why::Described)),
            ),
            (
                listed(Some("t2"), "u1", "d2"),
                Some(AssetStep::Fetch(Why::Retouched)),
            ),
        ];
        for (now, expected) in cases {
            assert_eq!(step(&before, now.clone()), expected, "{now:?}");
        }
        // The same time in other digits.
        let before_noon = listed(Some("2026-01-01T11:59:00.500Z"), "u1", "d1");
        let respelt = listed(Some("2026-01-01T11:59:00.5Z"), "u1", "d1");
        assert_eq!(step(&before_noon, respelt), Some(AssetStep::Keep));
        let mut wider = before.clone();
        wider.width = Some(11);
        wider.metadata.push('w');
        assert_eq!(step(&before, wider), Some(AssetStep::Fetch(Why::Resized)));
        let mut extra = before.clone();
        extra.metadata.push_str("a field nobody knows");
        assert_eq!(
            step(&before, extra),
            Some(AssetStep::Keep),
            "the row is written, the bytes stay"
        );
    }

    #[test]
    fn an_alt_that_goes_away_may_be_a_new_upload_and_is_looked_at_again() {
        let described = listed(Some("t1"), "u1", "\"a cat\"\n[]");
        for (stamp, why) in [("t1", Why::Described), ("t2", Why::Retouched)] {
            assert_eq!(
                step(&described, listed(Some(stamp), "u1", "\n[]")),
                Some(AssetStep::Fetch(Why::Stripped))
            );
            assert_eq!(
                step(&described, listed(Some(stamp), "u1", "\"a dog\"\n[]")),
                Some(AssetStep::Fetch(why))
            );
        }
        let row = saved(&described).asset.unwrap();
        for why in [Why::Stripped, Why::Retouched] {
            let again = recheck(why, &row, Timestamp::from_unix_millis(1));
            assert_eq!((again.at.is_some(), again.count), (true, 1), "{why}");
        }
    }

    #[test]
    fn another_host_for_the_same_path_moves_the_file_and_nothing_else() {
        let url = |host: &str, path: &str| format!("https://{host}/assets/x/{path}");
        let before = listed(Some("t1"), &url("old", "a.png"), "d");
        let cases = [
            (listed(Some("t1"), &url("new", "a.png"), "d"), Why::Moved),
            (listed(Some("t1"), &url("new", "b.png"), "d"), Why::Changed),
            (
                listed(Some("t1"), &url("new", "a.png?v=2"), "d"),
                Why::Changed,
            ),
            (listed(Some("t2"), &url("new", "a.png"), "d"), Why::Changed),
            (
                listed(Some("t1"), &url("new", "a.png"), "e"),
                Why::Described,
            ),
        ];
        for (now, why) in cases {
            assert_eq!(
                step(&before, now.clone()),
                Some(AssetStep::Fetch(why)),
                "{now:?}"
            );
        }
        let undated = listed(None, &url("old", "a.png"), "");
        let now = listed(None, &url("new", "a.png"), "");
        assert_eq!(step(&undated, now), Some(AssetStep::Fetch(Why::Moved)));
    }

    #[test]
    fn the_newer_form_of_the_listing_downloads_nothing() {
        assert_eq!(
            step(&listed(None, "u", ""), listed(Some("t1"), "u", "[]")),
            Some(AssetStep::Keep)
        );
    }

    #[test]
    fn the_older_form_of_the_listing_downloads_nothing_either() {
        let before = listed(Some("t1"), "u", "\"a cat\"\n[\"pets\"]");
        for description in ["", "\n", "\"a cat\"\n", "\"a cat\"\n[\"pets\"]"] {
            assert_eq!(
                step(&before, listed(None, "u", description)),
                Some(AssetStep::Keep),
                "{description}"
            );
        }
        assert_eq!(
            step(&before, listed(None, "v", "")),
            Some(AssetStep::Fetch(Why::Changed)),
            "another path is another file in every form"
        );
    }

    #[test]
    fn a_size_that_is_not_told_is_no_other_size() {
        let before = listed(Some("t1"), "u1", "d1");
        let mut untold = before.clone();
        (untold.width, untold.height) = (None, None);
        untold.metadata.push('w');
        for (before, now) in [(&before, &untold), (&untold, &before)] {
            let asked = Some(AssetStep::Fetch(Why::Retouched));
            assert_eq!(step(before, now.clone()), asked, "the host is asked");
            let old_form = |medium: &ListedMedium| ListedMedium {
                updated_at: None,
                ..medium.clone()
            };
            let kept = step(&old_form(before), old_form(now));
            assert_eq!(kept, Some(AssetStep::Keep), "revalidation covers it");
        }
        let mut half = untold;
        half.height = Some(21);
        assert_eq!(step(&before, half), Some(AssetStep::Fetch(Why::Resized)));
    }

    #[test]
    fn what_is_new_returned_or_without_a_file_is_fetched() {
        let now = listed(Some("t1"), "u1", "d1");
        assert!(matches!(
            medium_step(now.clone(), None),
            MediumStep::Record {
                asset: AssetStep::Fetch(Why::New),
                ..
            }
        ));
        let mut deleted = saved(&now);
        deleted.is_deleted = true;
        for (before, why) in [
            (listed(Some("t1"), "u1", "d0"), Why::Retouched),
            (listed(Some("t0"), "u1", "d1"), Why::Changed),
            (listed(Some("t1"), "u0", "d1"), Why::Changed),
            (listed(None, "u1", "d1"), Why::Changed),
        ] {
            let MediumStep::Record { asset, .. } =
                medium_step(now.clone(), Some((&deleted, Some(&before))))
            else {
                panic!("it is recorded");
            };
            assert_eq!(asset, AssetStep::Fetch(why), "{before:?}");
        }
        let mut without = saved(&now);
        without.asset = None;
        assert!(matches!(
            medium_step(now.clone(), Some((&without, Some(&now)))),
            MediumStep::Asset {
                asset: AssetStep::Fetch(Why::New),
                ..
            }
        ));
    }

    #[test]
    fn a_stale_cdn_is_looked_at_again_at_growing_distance_and_then_believed() {
        let now = Timestamp::from_unix_millis(1_000_000);
        let mut row = saved(&listed(Some("t"), "u", "")).asset.unwrap();
        let first = recheck(Why::Changed, &row, now);
        assert_eq!((first.at, first.count), (Some(now.plus(RECHECKS[0])), 1));
        row.rechecks = first.count;
        let second = recheck(Why::Recheck, &row, now);
        assert_eq!((second.at, second.count), (Some(now.plus(RECHECKS[1])), 2));
        row.rechecks = second.count;
        assert_eq!(recheck(Why::Recheck, &row, now).at, None);
        assert_eq!(recheck(Why::Described, &row, now).at, None);
        // What the mirror had lost, and has again or from the host, tells nothing of the CDN.
        row.recheck_at = first.at;
        for why in [Why::Described, Why::Moved, Why::Missing, Why::Damaged] {
            let planned = recheck(why, &row, now);
            assert_eq!(
                (planned.at, planned.count),
                (first.at, row.rechecks),
                "{why}"
            );
        }
    }
}
