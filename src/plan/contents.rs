//! What to do about a listed content and its bodies.

use crate::model::content::BodyStep;
use crate::model::{ContentStep, KnownContent, ListedContent, Status, is_same_json, is_same_time};

/// Decides what to do about one listed content. `known` is what the database holds of it, with the
/// recorded JSON read again (`None` beside it: that text can no longer be read).
///
/// A body is asked for when it can have changed: `updatedAt` alone misses things and the rest of the
/// metadata (reservations, editors, custom status) says nothing about a body (microcms-facts 2.5).
pub fn content_step(
    listed: ListedContent,
    known: Option<(&KnownContent, Option<&ListedContent>)>,
) -> ContentStep {
    let wants_published = listed.status.has_published();
    let wants_draft = wants_draft(&listed);
    let Some((known, before)) = known else {
        return ContentStep::Record {
            content: listed,
            published: if wants_published {
                BodyStep::Fetch
            } else {
                BodyStep::Clear
            },
            draft: if wants_draft {
                BodyStep::Fetch
            } else {
                BodyStep::Clear
            },
        };
    };
    if !known.is_deleted && is_same_json(&known.metadata, &listed.metadata) {
        let published = wants_published && !known.has_published && !known.owes_published;
        let draft = wants_draft && !known.has_draft && !known.owes_draft;
        return if published || draft {
            ContentStep::Bodies {
                id: listed.id,
                published,
                draft,
            }
        } else {
            ContentStep::Keep
        };
    }
    let before = before.filter(|_| !known.is_deleted);
    let is_moved = before.is_none_or(|before| {
        before.status != listed.status
            || !is_same_time(&before.updated_at, &listed.updated_at)
            || !is_same_time(&before.published_at, &listed.published_at)
            || !is_same_time(&before.revised_at, &listed.revised_at)
    });
    let is_rekeyed = before.is_none_or(|before| before.draft_key != listed.draft_key);
    let body = |wanted: bool, can_differ: bool, is_recorded: bool| match (
        wanted,
        can_differ || !is_recorded,
    ) {
        (false, _) => BodyStep::Clear,
        (true, true) => BodyStep::Fetch,
        (true, false) => BodyStep::Keep,
    };
    ContentStep::Record {
        published: body(wants_published, is_moved, known.has_published),
        draft: body(wants_draft, is_moved || is_rekeyed, known.has_draft),
        content: listed,
    }
}

/// Returns whether a draft can be asked for: a status that this version does not know needs the key as proof.
fn wants_draft(listed: &ListedContent) -> bool {
    match listed.status {
        Status::Other(_) => listed.draft_key.is_some(),
        Status::Publish | Status::Draft | Status::PublishAndDraft | Status::Closed => {
            listed.status.has_draft()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContentId;

    fn listed(status: Status, updated_at: &str, extra: &str) -> ListedContent {
        let draft_key = status.has_draft().then(|| "k".to_owned());
        ListedContent {
            id: ContentId::parse("a").unwrap(),
            metadata: format!("{status:?}{updated_at}{extra}"),
            status,
            updated_at: Some(updated_at.to_owned()),
            published_at: None,
            revised_at: None,
            draft_key,
        }
    }

    fn known(before: &ListedContent) -> KnownContent {
        KnownContent {
            metadata: before.metadata.clone(),
            is_deleted: false,
            has_published: before.status.has_published(),
            has_draft: before.status.has_draft(),
            owes_published: false,
            owes_draft: false,
        }
    }

    fn bodies(before: &ListedContent, now: ListedContent) -> Option<(BodyStep, BodyStep)> {
        match content_step(now, Some((&known(before), Some(before)))) {
            ContentStep::Keep | ContentStep::Bodies { .. } => None,
            ContentStep::Record {
                published, draft, ..
            } => Some((published, draft)),
        }
    }

    #[test]
    fn a_body_is_asked_for_only_when_it_can_have_changed() {
        use BodyStep::{Clear, Fetch, Keep};
        let before = listed(Status::Publish, "t1", "");
        let cases = [
            (listed(Status::Publish, "t1", ""), None),
            (
                listed(Status::Publish, "t1", "reserved"),
                Some((Keep, Clear)),
            ),
            (listed(Status::Publish, "t2", ""), Some((Fetch, Clear))),
            (listed(Status::Closed, "t2", ""), Some((Fetch, Clear))),
            (
                listed(Status::PublishAndDraft, "t2", ""),
                Some((Fetch, Fetch)),
            ),
            (listed(Status::Draft, "t1", ""), Some((Clear, Fetch))),
        ];
        for (now, expected) in cases {
            assert_eq!(bodies(&before, now.clone()), expected, "{now:?}");
        }
    }

    #[test]
    fn the_same_time_in_other_digits_moves_nothing() {
        use BodyStep::{Clear, Keep};
        let before = listed(Status::Publish, "2026-01-01T00:00:00.500Z", "");
        let now = listed(Status::Publish, "2026-01-01T09:00:00.5+09:00", "");
        assert_eq!(bodies(&before, now), Some((Keep, Clear)));
    }

    #[test]
    fn a_body_that_is_nowhere_is_owed_once() {
        let now = listed(Status::PublishAndDraft, "t1", "");
        let mut row = known(&now);
        row.has_draft = false;
        let step = content_step(now.clone(), Some((&row, Some(&now))));
        assert!(
            matches!(
                step,
                ContentStep::Bodies {
                    published: false,
                    draft: true,
                    ..
                }
            ),
            "{step:?}"
        );
        row.owes_draft = true;
        assert_eq!(
            content_step(now.clone(), Some((&row, Some(&now)))),
            ContentStep::Keep
        );
    }

    #[test]
    fn what_comes_back_is_read_again() {
        let now = listed(Status::Publish, "t1", "");
        let mut row = known(&now);
        row.is_deleted = true;
        let step = content_step(now.clone(), Some((&row, Some(&now))));
        assert!(
            matches!(
                step,
                ContentStep::Record {
                    published: BodyStep::Fetch,
                    ..
                }
            ),
            "{step:?}"
        );
    }

    #[test]
    fn an_unknown_status_without_a_key_has_no_draft_to_ask_for() {
        let now = listed(Status::Other("NEW".to_owned()), "t1", "");
        let mut keyless = now.clone();
        keyless.draft_key = None;
        assert!(matches!(
            content_step(now, None),
            ContentStep::Record {
                draft: BodyStep::Fetch,
                ..
            }
        ));
        assert!(matches!(
            content_step(keyless, None),
            ContentStep::Record {
                draft: BodyStep::Clear,
                ..
            }
        ));
    }
}
