//! What an answer teaches about the host that gave it, and what may be relied on.

use crate::model::{HostTraits, Standing};

/// What was seen of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// A whole answer (200) and what its head offers.
    Answered {
        /// It has an `ETag`.
        etag: bool,
        /// It has a `Last-Modified`.
        last_modified: bool,
        /// It has a `Content-Length`.
        content_length: bool,
        /// It says `Accept-Ranges: bytes`.
        ranges: bool,
    },
    /// A body came whole and was as long as announced.
    LengthHeld,
    /// A body was not as long as announced, although the connection did not break.
    LengthLied,
    /// New bytes came, and with them new validators: they tell versions apart.
    ToldApart {
        /// The `ETag` is another one.
        etag: bool,
        /// The `Last-Modified` is another one.
        last_modified: bool,
    },
    /// The host vouched for old bytes with these validators, and had new ones.
    VouchedFalsely {
        /// An `ETag` was among them.
        etag: bool,
        /// A `Last-Modified` was among them.
        last_modified: bool,
    },
    /// The whole file came although these validators, which were sent, still are the file's.
    IgnoredCondition {
        /// An `ETag` was sent.
        etag: bool,
        /// A `Last-Modified` was sent.
        last_modified: bool,
    },
    /// Questions with these validators were refused for file after file, and the same ones without them answered.
    ConditionRefused {
        /// An `ETag` was sent.
        etag: bool,
        /// A `Last-Modified` was sent.
        last_modified: bool,
    },
    /// A part of a file came, and it was the part that was asked for.
    RangeHeld,
    /// A range was asked for and the whole file came, though nothing had changed, or, for file after file, only once it was
    /// asked for.
    RangeIgnored,
    /// Another part came than the one that was asked for, or a part that does not fit.
    RangeLied,
    /// HEAD was answered.
    HeadAnswered,
    /// HEAD was refused as a method.
    HeadRefused,
    /// HEAD told another length than the body had, of the same version.
    HeadLied,
}

/// Returns what is known of a host after a lesson; equal to `known` where it teaches nothing new.
///
/// What was withdrawn is not offered again by a mere header: only the end of the ban (which the
/// caller decides) makes it unknown.
pub fn learn(known: &HostTraits, lesson: &Lesson) -> HostTraits {
    let mut traits = known.clone();
    match lesson {
        Lesson::Answered {
            etag,
            last_modified,
            content_length,
            ranges,
        } => {
            offer(&mut traits.etag, *etag);
            offer(&mut traits.last_modified, *last_modified);
            offer(&mut traits.content_length, *content_length);
            offer(&mut traits.range, *ranges);
        }
        Lesson::LengthHeld => prove(&mut traits.content_length),
        Lesson::LengthLied => {
            traits.content_length = Some(Standing::Withdrawn);
            traits.detail = Some("a body was not as long as announced".to_owned());
        }
        Lesson::ToldApart {
            etag,
            last_modified,
        } => {
            if *etag {
                prove(&mut traits.etag);
            }
            if *last_modified {
                prove(&mut traits.last_modified);
            }
        }
        Lesson::VouchedFalsely {
            etag,
            last_modified,
        } => {
            if *etag {
                traits.etag = Some(Standing::Withdrawn);
            }
            if *last_modified {
                traits.last_modified = Some(Standing::Withdrawn);
            }
            traits.detail = Some("it said that old bytes still hold, and had new ones".to_owned());
        }
        Lesson::IgnoredCondition {
            etag,
            last_modified,
        } => {
            if *etag {
                traits.etag = Some(Standing::Withdrawn);
            }
            if *last_modified {
                traits.last_modified = Some(Standing::Withdrawn);
            }
            traits.detail =
                Some("it sent bytes that had not changed, although it could tell".to_owned());
        }
        Lesson::ConditionRefused {
            etag,
            last_modified,
        } => {
            // The date is good for ranges all the same, and no question rests on it where the `ETag` is withdrawn.
            let standing = if *etag {
                &mut traits.etag
            } else {
                &mut traits.last_modified
            };
            if *etag || *last_modified {
                *standing = Some(Standing::Withdrawn);
                traits.detail = Some("it refused to say whether saved bytes still hold".to_owned());
            }
        }
        Lesson::RangeHeld => prove(&mut traits.range),
        Lesson::RangeIgnored => {
            traits.range = Some(Standing::Withdrawn);
            traits.detail = Some("it ignored or refused a range that it had offered".to_owned());
        }
        Lesson::RangeLied => {
            traits.range = Some(Standing::Withdrawn);
            traits.detail = Some(
                "it sent another range than was asked for, or one that is not of the version asked for"
                    .to_owned(),
            );
        }
        Lesson::HeadAnswered => offer(&mut traits.head, true),
        Lesson::HeadRefused => traits.head = Some(Standing::Absent),
        Lesson::HeadLied => {
            traits.head = Some(Standing::Withdrawn);
            traits.detail = Some("HEAD told another length than the body had".to_owned());
        }
    }
    traits
}

fn offer(standing: &mut Option<Standing>, is_offered: bool) {
    *standing = match (*standing, is_offered) {
        (None | Some(Standing::Absent), true) => Some(Standing::Offered),
        (None | Some(Standing::Offered), false) => Some(Standing::Absent),
        // A single answer without it (an error page, another kind of file) takes no proof back.
        (known, _) => known,
    };
}

fn prove(standing: &mut Option<Standing>) {
    if *standing != Some(Standing::Withdrawn) {
        *standing = Some(Standing::Proven);
    }
}

/// Returns whether something may be tried: it was not found absent and not caught being wrong.
pub fn may_try(standing: Option<Standing>) -> bool {
    match standing {
        None | Some(Standing::Offered | Standing::Proven) => true,
        Some(Standing::Absent | Standing::Withdrawn) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: Lesson = Lesson::Answered {
        etag: true,
        last_modified: false,
        content_length: true,
        ranges: true,
    };

    #[test]
    fn an_ability_is_offered_then_proven_and_once_withdrawn_no_header_brings_it_back() {
        let traits = learn(&HostTraits::default(), &ANSWER);
        assert_eq!(traits.etag, Some(Standing::Offered));
        assert_eq!(traits.last_modified, Some(Standing::Absent));
        let traits = learn(&traits, &Lesson::RangeHeld);
        assert_eq!(traits.range, Some(Standing::Proven));
        assert_eq!(
            learn(&traits, &ANSWER),
            traits,
            "nothing new, nothing to write"
        );
        let traits = learn(&traits, &Lesson::RangeIgnored);
        assert_eq!(traits.range, Some(Standing::Withdrawn));
        assert!(traits.detail.is_some());
        for lesson in [ANSWER, Lesson::RangeHeld] {
            assert_eq!(learn(&traits, &lesson).range, Some(Standing::Withdrawn));
        }
    }

    #[test]
    fn a_refused_question_is_its_tags_and_dates_stay_good_for_ranges() {
        let refused = Lesson::ConditionRefused {
            etag: true,
            last_modified: true,
        };
        let known = HostTraits {
            etag: Some(Standing::Proven),
            last_modified: Some(Standing::Offered),
            ..HostTraits::default()
        };
        let traits = learn(&known, &refused);
        assert_eq!(traits.etag, Some(Standing::Withdrawn));
        assert_eq!(traits.last_modified, Some(Standing::Offered));
        assert!(traits.detail.is_some());
    }

    #[test]
    fn a_false_witness_is_withdrawn_and_only_it() {
        let traits = learn(&HostTraits::default(), &ANSWER);
        let lie = Lesson::VouchedFalsely {
            etag: true,
            last_modified: false,
        };
        let traits = learn(&traits, &lie);
        assert_eq!(traits.etag, Some(Standing::Withdrawn));
        assert!(!may_try(traits.etag) && !may_try(traits.last_modified));
        assert!(may_try(traits.range) && may_try(None));
    }

    #[test]
    fn one_answer_without_a_header_takes_no_proof_back() {
        let traits = learn(&learn(&HostTraits::default(), &ANSWER), &Lesson::LengthHeld);
        let bare = Lesson::Answered {
            etag: false,
            last_modified: false,
            content_length: false,
            ranges: false,
        };
        let traits = learn(&traits, &bare);
        assert_eq!(traits.content_length, Some(Standing::Proven));
        assert_eq!(traits.etag, Some(Standing::Absent));
    }
}
