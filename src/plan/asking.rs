//! How to ask an asset host about one file, as cheaply as what is known allows.

use super::hosts::may_try;
use crate::model::{AssetRow, HostTraits, Standing, Why};

/// The facts that decide how a file is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Why it is asked for.
    pub why: Why,
    /// What is recorded of it.
    pub row: &'a AssetRow,
    /// What is known of its host.
    pub host: &'a HostTraits,
    /// Whether its listing tells when it changed last.
    pub has_updated_at: bool,
    /// Whether the medium is listed as it was when its host told about the file last.
    pub is_as_checked: bool,
    /// Whether the saved file was read and is what its row says.
    pub is_intact: bool,
    /// Whether the saved bytes came from this path (of this host or of another one).
    pub is_same_path: bool,
}

/// The ways to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// For all of its bytes.
    Whole,
    /// For its bytes, unless these validators still hold.
    Conditional {
        /// Send the saved `ETag`.
        etag: bool,
        /// Send the saved `Last-Modified`.
        last_modified: bool,
    },
    /// For its head: the saved length and validators are held against what it tells.
    Head,
    /// Not at all: nothing says that the bytes changed.
    Nothing,
}

/// Decides how to ask.
pub fn way(question: &Question<'_>) -> Way {
    let Question {
        why,
        row,
        host,
        has_updated_at,
        is_as_checked,
        is_intact,
        is_same_path,
    } = *question;
    if !is_intact || !is_same_path {
        return Way::Whole;
    }
    if why == Why::Moved || (why.is_about_the_mirror() && is_as_checked) {
        return Way::Nothing;
    }
    if !why.may_be_conditional() {
        return Way::Whole;
    }
    let etag = row.etag.is_some() && may_try(host.etag);
    // Where an `ETag` was caught, the date beside it is no better witness.
    let last_modified = row.last_modified.is_some()
        && may_try(host.last_modified)
        && host.etag != Some(Standing::Withdrawn);
    if etag || last_modified {
        // The last look at a file that should have changed, or a person who wants to know: a host
        // that never told two versions apart so far has to show the bytes.
        let is_in_doubt = is_last_look(why, row) || (why == Why::Asked && row.recheck_at.is_some());
        if is_in_doubt && !is_proven(host, etag, last_modified) {
            return Way::Whole;
        }
        return Way::Conditional {
            etag,
            last_modified,
        };
    }
    let may_head = may_try(host.head) && may_try(host.content_length) && row.bytes.is_some();
    match why {
        // The listing itself would tell of new bytes, or there is a later look: an equal length is enough.
        Why::Described | Why::Stripped | Why::Retouched if may_head => Way::Head,
        // The last one shows the bytes.
        Why::Recheck if may_head && !is_last_look(why, row) => Way::Head,
        Why::Asked | Why::Due if may_head && has_updated_at => Way::Head,
        // Nobody asked, and the listing tells of changes: not worth the bytes.
        Why::Due if has_updated_at => Way::Nothing,
        Why::New
        | Why::Changed
        | Why::Resized
        | Why::Moved
        | Why::Described
        | Why::Stripped
        | Why::Retouched
        | Why::Missing
        | Why::Damaged
        | Why::Recheck
        | Why::Asked
        | Why::Due => Way::Whole,
    }
}

/// Decides whether the bytes are asked for all the same after the host said that the saved ones still
/// hold: the listing says that they changed, and this host never told two versions apart so far. Costs
/// the bytes of a file that was touched without a change, until the host's first proof.
///
/// `is_moved`: the `ETag` is one that another host gave for this path. Who knows it keeps the same
/// files, and the switch of the host explains why the listing changed: nobody pays twice for that.
pub fn is_doubtful(
    why: Why,
    host: &HostTraits,
    etag: bool,
    last_modified: bool,
    is_moved: bool,
) -> bool {
    matches!(why, Why::Changed | Why::Resized)
        && !is_proven(host, etag, last_modified)
        && !(etag && is_moved && why == Why::Changed)
}

fn is_proven(host: &HostTraits, etag: bool, last_modified: bool) -> bool {
    (etag && host.etag == Some(Standing::Proven))
        || (!etag && last_modified && host.last_modified == Some(Standing::Proven))
}

fn is_last_look(why: Why, row: &AssetRow) -> bool {
    why == Why::Recheck
        && usize::try_from(row.rechecks).is_ok_and(|done| done >= super::media::LOOKS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AssetState, MediaId, Timestamp};

    fn row() -> AssetRow {
        AssetRow {
            media_id: MediaId::parse("m").unwrap(),
            url: "https://h/a".to_owned(),
            path: Some("h/a".to_owned()),
            bytes: Some(3),
            sha256: Some("00".repeat(32)),
            content_type: None,
            etag: Some("\"1\"".to_owned()),
            last_modified: Some("d".to_owned()),
            state: AssetState::Owed,
            why: None,
            attempts: 0,
            recheck_at: None,
            rechecks: 0,
            announced_bytes: None,
        }
    }

    fn asked(why: Why, row: &AssetRow, host: &HostTraits) -> Way {
        way(&Question {
            why,
            row,
            host,
            has_updated_at: true,
            is_as_checked: true,
            is_intact: true,
            is_same_path: true,
        })
    }

    const BOTH: Way = Way::Conditional {
        etag: true,
        last_modified: true,
    };

    #[test]
    fn what_is_saved_is_asked_about_by_its_validators() {
        let host = HostTraits::default();
        for why in [
            Why::Changed,
            Why::Resized,
            Why::Described,
            Why::Asked,
            Why::Due,
        ] {
            assert_eq!(asked(why, &row(), &host), BOTH, "{why}");
        }
        assert_eq!(asked(Why::New, &row(), &host), Way::Whole);
        assert_eq!(asked(Why::Moved, &row(), &host), Way::Nothing);
    }

    #[test]
    fn what_the_mirror_lost_and_has_again_is_not_asked_for_unless_its_medium_changed() {
        let (row, host) = (row(), HostTraits::default());
        for why in [Why::Missing, Why::Damaged] {
            assert_eq!(asked(why, &row, &host), Way::Nothing, "{why}");
            let question = Question {
                why,
                row: &row,
                host: &host,
                has_updated_at: true,
                is_as_checked: false,
                is_intact: true,
                is_same_path: true,
            };
            assert_eq!(way(&question), Way::Whole, "{why}");
        }
    }

    #[test]
    fn nothing_is_vouched_for_that_is_not_there_or_came_from_elsewhere() {
        let (row, host) = (row(), HostTraits::default());
        for (is_intact, is_same_path) in [(false, true), (true, false)] {
            for why in [
                Why::Changed,
                Why::Moved,
                Why::Asked,
                Why::Described,
                Why::Missing,
                Why::Damaged,
            ] {
                let question = Question {
                    why,
                    row: &row,
                    host: &host,
                    has_updated_at: true,
                    is_as_checked: true,
                    is_intact,
                    is_same_path,
                };
                assert_eq!(way(&question), Way::Whole);
            }
        }
    }

    #[test]
    fn a_host_that_was_caught_is_not_believed_again() {
        let host = HostTraits {
            etag: Some(Standing::Withdrawn),
            ..HostTraits::default()
        };
        assert_eq!(asked(Why::Changed, &row(), &host), Way::Whole);
        assert_eq!(asked(Why::Described, &row(), &host), Way::Head);
        let host = HostTraits {
            head: Some(Standing::Absent),
            ..host
        };
        assert_eq!(asked(Why::Described, &row(), &host), Way::Whole);
    }

    #[test]
    fn the_last_look_wants_to_see_the_bytes_unless_the_host_has_told_versions_apart() {
        let mut row = row();
        row.recheck_at = Some(Timestamp::from_unix_millis(1));
        row.rechecks = 1;
        let unproven = HostTraits::default();
        assert_eq!(asked(Why::Recheck, &row, &unproven), BOTH);
        row.rechecks = u32::try_from(super::super::media::LOOKS).unwrap();
        assert_eq!(asked(Why::Recheck, &row, &unproven), Way::Whole);
        assert_eq!(asked(Why::Asked, &row, &unproven), Way::Whole);
        let proven = HostTraits {
            etag: Some(Standing::Proven),
            ..HostTraits::default()
        };
        assert_eq!(asked(Why::Recheck, &row, &proven), BOTH);
    }

    #[test]
    fn not_modified_is_believed_against_the_listing_only_after_a_proof() {
        let proven = HostTraits {
            etag: Some(Standing::Proven),
            ..HostTraits::default()
        };
        let offered = HostTraits {
            etag: Some(Standing::Offered),
            ..HostTraits::default()
        };
        for why in [Why::Changed, Why::Resized] {
            assert!(is_doubtful(why, &offered, true, true, false));
            assert!(!is_doubtful(why, &proven, true, true, false));
            assert!(
                is_doubtful(why, &proven, false, true, false),
                "the date proved nothing"
            );
        }
        for why in [
            Why::Described,
            Why::Stripped,
            Why::Retouched,
            Why::Recheck,
            Why::Asked,
            Why::Due,
        ] {
            assert!(!is_doubtful(why, &offered, true, true, false));
        }
        assert!(!is_doubtful(Why::Changed, &offered, true, true, true));
        assert!(
            is_doubtful(Why::Changed, &offered, false, true, true),
            "any date may be late enough"
        );
        assert!(
            is_doubtful(Why::Resized, &offered, true, true, true),
            "these bytes must be new"
        );
    }

    #[test]
    fn without_validators_a_length_is_enough_only_where_the_listing_tells_of_changes() {
        let mut row = row();
        (row.etag, row.last_modified) = (None, None);
        let host = HostTraits::default();
        assert_eq!(asked(Why::Described, &row, &host), Way::Head);
        assert_eq!(asked(Why::Asked, &row, &host), Way::Head);
        assert_eq!(asked(Why::Changed, &row, &host), Way::Whole);
        row.rechecks = 1;
        assert_eq!(asked(Why::Recheck, &row, &host), Way::Head);
        row.rechecks = u32::try_from(super::super::media::LOOKS).unwrap();
        assert_eq!(
            asked(Why::Recheck, &row, &host),
            Way::Whole,
            "the last look"
        );
        let undated = Question {
            why: Why::Asked,
            row: &row,
            host: &host,
            has_updated_at: false,
            is_as_checked: true,
            is_intact: true,
            is_same_path: true,
        };
        assert_eq!(way(&undated), Way::Whole);
        let undated = Question {
            why: Why::Due,
            ..undated
        };
        assert_eq!(way(&undated), Way::Whole, "nothing else would tell");
        assert_eq!(asked(Why::Due, &row, &host), Way::Head);
        let no_head = HostTraits {
            head: Some(Standing::Absent),
            ..host
        };
        assert_eq!(asked(Why::Due, &row, &no_head), Way::Nothing);
    }
}
