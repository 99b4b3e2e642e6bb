//! Bodies older than what the listing says of them, as a CDN that was not told in time serves them, and newer
//! ones, which may be drafts.

use crate::model::{BodySide, OwedBody, Status, Timestamp};
use crate::remote::{FoundBody, says_the_same};
use crate::store::{HadBody, LaterLook};
use std::cmp::Ordering;
use std::time::Duration;

/// How far the stamps of a body and of its metadata may lie apart and mean the same, whatever else is known: the two APIs
/// write fractions of a second differently (microcms-facts 1.5).
const SLACK: Duration = Duration::from_secs(1);
/// From so many attempts on, an older body is believed, if the attempt before brought one as well.
const ATTEMPTS: u32 = 3;
/// When to look again at a body that was believed so: a cache may have insisted. As for files (microcms-facts 8.12).
pub(super) const FIRST_LOOK: Duration = Duration::from_secs(10 * 60);
const LAST_LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// How many such looks there are.
const LOOKS: u32 = 2;

/// Why such an answer is not taken.
pub(super) const STALE: &str =
    "the Content API answered with a body older than the listing says; it is asked for again";

/// Why an answer to a draft key is not taken for the draft.
pub(super) const PUBLISHED: &str = "the answer to its draft key is what is published, with a time that is not the listing's: the key may be \
     valid no more; it is asked for again";

/// Why a body is owed for the last of the later looks.
const LAST: &str =
    "it was older than the listing says when it was recorded, and is asked for one last time";

/// What is noted at bodies whose later look is due.
pub(super) fn later_look(now: Timestamp) -> LaterLook {
    LaterLook {
        attempts: ATTEMPTS,
        error: STALE,
        last_error: LAST,
        looks: LOOKS,
        next_at: now.plus(LAST_LOOK),
    }
}

/// What a body's own stamp says beside the listing's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// As old as the listing says, or nothing tells.
    Right,
    /// Older, which can only be a stale answer.
    Old,
    /// Older, if this stamp means what it seems to mean. It is a stale answer if it [is the body](is_again)
    /// that was recorded before the listing moved.
    Doubtful,
    /// Older by less than a second, or of another date of publication, which moves no other stamp (microcms-facts 2.5).
    /// It is a stale answer if the body before [was in step](was_in_step) with its listing: then such stamps do mean that.
    /// Where nothing tells, it is taken, and looked at again.
    Slight,
    /// Older, and it was so the time before, and after several attempts: it is what the service has, perhaps.
    Insisted,
}

/// Holds a body's own stamp against the listing's.
///
/// What is published and nothing else has the listing's `updatedAt`. A draft beside it moves that one and leaves
/// the published body alone, which has `revisedAt` of its own. What a draft calls `updatedAt`, and a closed
/// content, is documented nowhere.
pub(super) fn age(owed: &OwedBody, body: &FoundBody) -> Age {
    let (listed, served) = stamps(owed, body);
    let is_older = matches!(
        (stamp(listed), stamp(served)),
        (Some(listed), Some(served)) if served.plus(SLACK) < listed
    );
    let is_published = owed.side == BodySide::Published && owed.status == Status::Publish;
    let is_slight = !is_older && is_published && is_out_of_step(owed, body);
    match owed.last_error.as_deref() {
        _ if !is_older && !is_slight => Age::Right,
        Some(LAST) => Age::Right,
        Some(STALE) if owed.attempts >= ATTEMPTS => Age::Insisted,
        _ if is_slight => Age::Slight,
        _ if is_published => Age::Old,
        _ => Age::Doubtful,
    }
}

/// Says the same of a draft that says what is published. One that was saved without a change has the listing's stamp, or
/// is insisted on.
pub(super) fn age_of_equal_draft(owed: &OwedBody, body: &FoundBody) -> Age {
    match owed.last_error.as_deref() {
        _ if order(&owed.updated_at, &body.updated_at) == Some(Ordering::Equal) => Age::Right,
        Some(LAST) => Age::Right,
        Some(PUBLISHED | STALE) if owed.attempts >= ATTEMPTS => Age::Insisted,
        _ => Age::Old,
    }
}

/// Returns whether a body is older than its listing by as little as both stamps can tell, or of another date of
/// publication. One that was published since may have any.
fn is_out_of_step(owed: &OwedBody, body: &FoundBody) -> bool {
    match order(&owed.updated_at, &body.updated_at) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Less) => false,
        Some(Ordering::Equal) | None => is_redated(&owed.published_at, body),
    }
}

fn is_redated(listed: &Option<String>, body: &FoundBody) -> bool {
    order(listed, &body.published_at).is_some_and(Ordering::is_ne)
}

/// Returns whether a body that was recorded has the stamps that the listing told of it then, as exactly as they tell.
pub(super) fn was_in_step(had: &HadBody) -> bool {
    FoundBody::read(&had.text).is_some_and(|body| {
        order(&had.updated_at, &body.updated_at) == Some(Ordering::Equal)
            && !is_redated(&had.published_at, &body)
    })
}

/// Compares two stamps as exactly as the one with fewer digits tells; `None` where one tells nothing.
fn order(one: &Option<String>, other: &Option<String>) -> Option<Ordering> {
    let slack = slack(one.as_deref()?).max(slack(other.as_deref()?));
    let (one, other) = (stamp(one)?, stamp(other)?);
    let is_close = one <= other.plus(slack) && other <= one.plus(slack);
    Some(if is_close {
        Ordering::Equal
    } else {
        one.cmp(&other)
    })
}

/// What the last digit of a stamp stands for.
fn slack(stamp: &str) -> Duration {
    let fraction = stamp.split_once('.').map_or("", |(_, fraction)| fraction);
    match fraction.bytes().take_while(u8::is_ascii_digit).count() {
        0 => SLACK,
        1 => SLACK / 10,
        2 => SLACK / 100,
        _ => SLACK / 1000,
    }
}

/// Returns whether what is served in the place of a published body was edited after the listing: published anew,
/// or, to a key that sees all drafts, a draft that was saved since.
pub(super) fn is_ahead(owed: &OwedBody, body: &FoundBody) -> bool {
    let stamps = (stamp(&owed.updated_at), stamp(&body.updated_at));
    matches!(stamps, (Some(listed), Some(served)) if listed.plus(SLACK) < served)
}

/// Returns whether two stamps mean the same time; two that cannot be read mean none.
pub(super) fn is_same(one: &Option<String>, other: &Option<String>) -> bool {
    match (stamp(one), stamp(other)) {
        (Some(one), Some(other)) => one <= other.plus(SLACK) && other <= one.plus(SLACK),
        _ => false,
    }
}

/// Returns whether an answer is the body that was recorded before the listing moved, and its stamp was the
/// listing's then: so that the stamp does mean what it seems to mean, and the body is not the new one.
pub(super) fn is_again(owed: &OwedBody, body: &FoundBody, had: &HadBody) -> bool {
    let (_, served) = stamps(owed, body);
    let listed_then = match is_revision(owed) {
        true => &had.revised_at,
        false => &had.updated_at,
    };
    is_same(listed_then, served) && says_the_same(&had.text, &body.text)
}

/// The listing's stamp and the body's own that belong together.
fn stamps<'a>(owed: &'a OwedBody, body: &'a FoundBody) -> (&'a Option<String>, &'a Option<String>) {
    if is_revision(owed) {
        (&owed.revised_at, &body.revised_at)
    } else {
        (&owed.updated_at, &body.updated_at)
    }
}

fn is_revision(owed: &OwedBody) -> bool {
    owed.side == BodySide::Published && owed.status != Status::Publish
}

fn stamp(text: &Option<String>) -> Option<Timestamp> {
    text.as_deref().and_then(Timestamp::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ContentId;

    fn owed(side: BodySide, status: Status) -> OwedBody {
        OwedBody {
            number: 0,
            id: ContentId::parse("a").unwrap(),
            side,
            status,
            updated_at: at("09"),
            revised_at: at("09"),
            published_at: None,
            draft_key: None,
            is_refused: false,
            attempts: 0,
            last_error: None,
            owed_at: Timestamp::from_unix_millis(0),
        }
    }

    fn at(second: &str) -> Option<String> {
        Some(format!("2026-11-20T01:02:{second}.120Z"))
    }

    fn body(updated: &str, revised: &str) -> FoundBody {
        FoundBody {
            text: "{}".to_owned(),
            updated_at: at(updated),
            revised_at: at(revised),
            published_at: None,
        }
    }

    fn had(updated: &str, revised: &str) -> HadBody {
        HadBody {
            text: "{}".to_owned(),
            updated_at: at(updated),
            revised_at: at(revised),
            published_at: None,
        }
    }

    #[test]
    fn a_published_body_has_the_stamp_of_its_kind() {
        use BodySide::Published;
        let plain = owed(Published, Status::Publish);
        assert_eq!(age(&plain, &body("01", "09")), Age::Old);
        // By a second: of two stamps with digits for less than that.
        assert_eq!(age(&plain, &body("08", "01")), Age::Slight);
        let mut whole = plain.clone();
        whole.updated_at = Some("2026-11-20T01:02:09Z".to_owned());
        assert_eq!(age(&whole, &body("08", "01")), Age::Right);
        for status in [Status::PublishAndDraft, Status::Closed] {
            let owed = owed(Published, status);
            assert_eq!(age(&owed, &body("01", "09")), Age::Right);
            assert_eq!(age(&owed, &body("09", "01")), Age::Doubtful);
        }
        assert_eq!(
            age(&owed(BodySide::Draft, Status::Draft), &body("01", "09")),
            Age::Doubtful
        );
    }

    #[test]
    fn the_stamps_of_an_article_are_held_against_each_other_to_the_last_digit() {
        let listed = |updated: &str, published: &str| OwedBody {
            updated_at: Some(format!("2026-11-20T01:02:{updated}Z")),
            published_at: Some(format!("2026-11-{published}")),
            ..owed(BodySide::Published, Status::Publish)
        };
        let served = |updated: &str, published: &str| FoundBody {
            published_at: Some(format!("2026-11-{published}")),
            updated_at: Some(format!("2026-11-20T01:02:{updated}Z")),
            ..body("00", "00")
        };
        let (first, other) = ("01T00:00:00Z", "02T00:00:00.000Z");
        let cases = [
            ("09.95", "09.950", "01T00:00:00.000Z", false),
            ("09.9", "09.950", first, false),
            ("09.95", "09.050", first, true),
            ("09", "08.050", first, false),
            ("09.05", "09.050", other, true),
            // It was published since.
            ("09.05", "09.950", other, false),
        ];
        for (updated, own, published, is_slight) in cases {
            let age = age(&listed(updated, first), &served(own, published));
            assert_eq!(age == Age::Slight, is_slight, "{updated} {own} {published}");
        }
        // That of a draft is documented nowhere.
        let draft = OwedBody {
            side: BodySide::Draft,
            ..listed("09.05", first)
        };
        assert_eq!(age(&draft, &served("09.050", other)), Age::Right);
    }

    #[test]
    fn a_later_stamp_is_ahead_by_more_than_a_second() {
        let owed = owed(BodySide::Published, Status::Publish);
        for (served, is) in [("08", false), ("10", false), ("11", true)] {
            assert_eq!(is_ahead(&owed, &body(served, "59")), is, "{served}");
        }
        let mute = FoundBody {
            updated_at: Some("tomorrow".to_owned()),
            ..body("11", "11")
        };
        assert!(!is_ahead(&owed, &mute));
        assert!(is_same(&at("09"), &at("10")) && !is_same(&at("09"), &at("11")));
        assert!(!is_same(&None, &None));
    }

    #[test]
    fn what_says_nothing_or_insists_is_believed() {
        let mut insisted = owed(BodySide::Published, Status::Publish);
        insisted.attempts = ATTEMPTS;
        // They failed for other reasons.
        assert_eq!(age(&insisted, &body("01", "01")), Age::Old);
        insisted.last_error = Some(STALE.to_owned());
        assert_eq!(age(&insisted, &body("01", "01")), Age::Insisted);
        assert_eq!(age(&insisted, &body("09", "01")), Age::Right);
        let mut last = insisted.clone();
        last.last_error = Some(LAST.to_owned());
        assert_eq!(age(&last, &body("01", "01")), Age::Right);
        let mute = FoundBody {
            updated_at: None,
            revised_at: Some("yesterday".to_owned()),
            ..body("01", "01")
        };
        for status in [Status::Publish, Status::Closed] {
            assert_eq!(age(&owed(BodySide::Published, status), &mute), Age::Right);
        }
    }

    #[test]
    fn a_doubtful_body_is_stale_if_it_is_the_one_before_and_was_in_step_then() {
        let draft = owed(BodySide::Draft, Status::PublishAndDraft);
        let published = owed(BodySide::Published, Status::PublishAndDraft);
        assert!(is_again(&draft, &body("01", "07"), &had("01", "00")));
        assert!(is_again(&published, &body("07", "01"), &had("00", "01")));
        // Drafts of this service have a stamp of their own, perhaps.
        assert!(!is_again(&draft, &body("01", "01"), &had("05", "01")));
        let other = HadBody {
            text: "{\"a\":1}".to_owned(),
            ..had("01", "01")
        };
        assert!(!is_again(&draft, &body("01", "01"), &other));
        let mute = HadBody {
            updated_at: None,
            ..had("01", "01")
        };
        assert!(!is_again(&draft, &body("01", "01"), &mute));
    }
}
