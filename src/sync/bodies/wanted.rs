//! What is owed, sorted into requests.

use crate::model::{BodySide, ContentId, OwedBody};
use crate::remote::Batch;
use std::collections::HashMap;

/// The bodies that one content owes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    pub(super) published: Option<OwedBody>,
    pub(super) draft: Option<OwedBody>,
}

/// What one request is for.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// Published bodies of several contents, and the drafts of those that have both.
    Published(Vec<Sides>),
    /// The draft of one content that owes nothing else.
    Draft(OwedBody),
}

impl Wanted {
    /// Sorts owed bodies into requests, which keep their order.
    pub(super) fn sort(owed: Vec<OwedBody>) -> Vec<Self> {
        let mut places: HashMap<ContentId, usize> = HashMap::new();
        let mut contents: Vec<Sides> = Vec::new();
        for body in owed {
            let place = *places.entry(body.id.clone()).or_insert(contents.len());
            if place == contents.len() {
                contents.push(Sides::default());
            }
            if let Some(sides) = contents.get_mut(place) {
                match body.side {
                    BodySide::Published => sides.published = Some(body),
                    BodySide::Draft => sides.draft = Some(body),
                }
            }
        }
        let (with, without): (Vec<_>, Vec<_>) = contents
            .into_iter()
            .partition(|sides| sides.published.is_some());
        let ids: Vec<ContentId> = with
            .iter()
            .filter_map(|sides| sides.published.as_ref())
            .map(|owed| owed.id.clone())
            .collect();
        let mut wanted = Vec::new();
        let (mut left_ids, mut left) = (ids.as_slice(), with.as_slice());
        while !left.is_empty() {
            let (_, taken) = Batch::take(left_ids, usize::MAX);
            let (now, later) = left.split_at(taken.clamp(1, left.len()));
            wanted.push(Self::Published(now.to_vec()));
            left_ids = left_ids.get(now.len()..).unwrap_or_default();
            left = later;
        }
        wanted.extend(
            without
                .into_iter()
                .filter_map(|sides| sides.draft)
                .map(Self::Draft),
        );
        wanted
    }

    /// Returns those of the owed bodies that fill their request. What is left waits for more to come, as
    /// long as it may: a request for a few costs as much as one for a hundred.
    pub(super) fn in_full_requests(owed: Vec<OwedBody>) -> Vec<OwedBody> {
        let wanted = Self::sort(owed);
        let last = wanted
            .iter()
            .rposition(|wanted| matches!(wanted, Self::Published(_)));
        let asked = wanted.into_iter().enumerate();
        asked
            .filter(|(n, wanted)| Some(*n) != last || wanted.is_full())
            .flat_map(|(_, wanted)| wanted.owed())
            .collect()
    }

    pub(super) fn is_draft(&self) -> bool {
        matches!(self, Self::Draft(_))
    }

    pub(super) fn into_draft(self) -> Option<OwedBody> {
        match self {
            Self::Draft(owed) => Some(owed),
            Self::Published(_) => None,
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Published(contents) => contents.len() >= Batch::MOST,
            Self::Draft(_) => true,
        }
    }

    fn owed(self) -> Vec<OwedBody> {
        match self {
            Self::Published(contents) => contents
                .into_iter()
                .flat_map(|sides| [sides.published, sides.draft])
                .flatten()
                .collect(),
            Self::Draft(owed) => vec![owed],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Status, Timestamp};

    fn owed(id: &str, side: BodySide) -> OwedBody {
        OwedBody {
            number: 0,
            id: ContentId::parse(id).unwrap(),
            side,
            status: Status::Publish,
            updated_at: None,
            revised_at: None,
            published_at: None,
            draft_key: None,
            is_refused: false,
            attempts: 0,
            last_error: None,
            owed_at: Timestamp::from_unix_millis(0),
        }
    }

    fn published(count: usize) -> Vec<OwedBody> {
        (0..count)
            .map(|n| owed(&format!("c-{n:04}"), BodySide::Published))
            .collect()
    }

    #[test]
    fn what_does_not_fill_a_request_waits_for_more() {
        for (owed, asked) in [(0, 0), (1, 0), (99, 0), (100, 100), (101, 100), (250, 200)] {
            let full = Wanted::in_full_requests(published(owed));
            assert_eq!(full.len(), asked, "of {owed}");
        }
    }

    #[test]
    fn a_draft_that_goes_alone_waits_for_nobody_and_one_beside_its_published_body_with_it() {
        let mut all = published(100);
        all.push(owed("c-0007", BodySide::Draft));
        all.push(owed("d-1", BodySide::Draft));
        all.push(owed("e-1", BodySide::Published));
        all.push(owed("e-1", BodySide::Draft));
        let asked = Wanted::in_full_requests(all);
        assert_eq!(asked.len(), 102);
        assert!(!asked.iter().any(|owed| owed.id.as_str() == "e-1"));
    }

    #[test]
    fn requests_keep_the_order_of_what_is_owed() {
        let ids = ["c", "a", "z", "b"];
        let mut all: Vec<_> = ids.map(|id| owed(id, BodySide::Published)).into();
        all.insert(1, owed("c", BodySide::Draft));
        let [Wanted::Published(contents)] = &Wanted::sort(all)[..] else {
            panic!("not one request");
        };
        let asked = contents.iter().filter_map(|sides| sides.published.as_ref());
        assert!(asked.map(|owed| owed.id.as_str()).eq(ids));
        assert!(contents.first().is_some_and(|sides| sides.draft.is_some()));
    }
}
