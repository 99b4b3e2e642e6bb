//! The APIs of the service and their contents.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::schema::{Field, standard_fields};
use crate::mix::{Noise, salt};
use crate::times::{FIRST_CREATED_MS, iso_short};

/// The state of a content as the Management API names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Never published, or taken back to draft.
    Draft,
    /// Published.
    Publish,
    /// Publication ended.
    Closed,
    /// Published, with a newer draft behind it.
    PublishAndDraft,
}

impl Status {
    /// The word in the Management API's answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Publish => "PUBLISH",
            Self::Closed => "CLOSED",
            Self::PublishAndDraft => "PUBLISH_AND_DRAFT",
        }
    }
}

/// Whether an API holds many contents or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApiKind {
    /// Many contents, each with an id.
    List,
    /// One content, without an id in the Content API.
    Object,
}

/// The fields of a content, made from the seed or given by an edit.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Made { version: u32 },
    Given(Arc<Map<String, Value>>),
}

/// One content with its metadata.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) id: String,
    pub(crate) serial: u32,
    pub(crate) status: Status,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) published_ms: Option<i64>,
    pub(crate) revised_ms: Option<i64>,
    pub(crate) closed_ms: Option<i64>,
    pub(crate) draft_key: Option<String>,
    pub(crate) created_by: String,
    pub(crate) updated_by: String,
    pub(crate) reservation: Option<(Option<String>, Option<String>)>,
    pub(crate) custom_status: Option<Value>,
    /// The published body, also of a closed content.
    pub(crate) published: Option<Body>,
    pub(crate) draft: Option<Body>,
}

/// What a request may see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer<'a> {
    pub(crate) all_drafts: bool,
    pub(crate) all_closed: bool,
    pub(crate) draft_key: Option<&'a str>,
}

impl Content {
    /// The body that this viewer gets; `None` is a 404 or a gap in the list.
    pub(crate) fn visible(&self, viewer: Viewer<'_>) -> Option<&Body> {
        if viewer.draft_key.is_some() && viewer.draft_key == self.draft_key.as_deref() {
            return self.draft.as_ref();
        }
        match self.status {
            Status::Publish => self.published.as_ref(),
            // The right to all drafts hides the published body behind the draft.
            Status::PublishAndDraft if viewer.all_drafts => self.draft.as_ref(),
            Status::PublishAndDraft => self.published.as_ref(),
            Status::Draft => self.draft.as_ref().filter(|_| viewer.all_drafts),
            Status::Closed => self.published.as_ref().filter(|_| viewer.all_closed),
        }
    }

    /// The Management API's metadata.
    pub(crate) fn metadata(&self) -> Value {
        let time = |ms: Option<i64>| ms.map(iso_short);
        json!({
            "id": self.id,
            "createdAt": iso_short(self.created_ms),
            "updatedAt": iso_short(self.updated_ms),
            "publishedAt": time(self.published_ms),
            "revisedAt": time(self.revised_ms),
            "closedAt": time(self.closed_ms),
            "status": [self.status.as_str()],
            "customStatus": self.custom_status,
            "draftKey": self.draft_key,
            "createdBy": self.created_by,
            "updatedBy": self.updated_by,
            "reservationTime": self.reservation.as_ref().map(|(publish, stop)| json!({
                "publishTime": publish,
                "stopTime": stop,
            })),
        })
    }
}

/// One microCMS API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) endpoint: String,
    pub(crate) name: String,
    pub(crate) kind: ApiKind,
    pub(crate) fields: Vec<Field>,
    pub(crate) next_serial: u32,
    /// How many contents there were at the start; generated relations point at these.
    pub(crate) made: u32,
    contents: Vec<Content>,
    places: HashMap<String, usize>,
}

impl Api {
    pub(crate) fn new(seed: u64, plan: &ApiPlan, relates_to: &str) -> Self {
        let count = if plan.kind == ApiKind::Object {
            1
        } else {
            plan.contents
        };
        let mut api = Self {
            endpoint: plan.endpoint.clone(),
            name: plan.name.clone(),
            kind: plan.kind,
            fields: standard_fields(&plan.endpoint, relates_to),
            next_serial: count,
            made: count,
            contents: (0..count)
                .map(|serial| generate(seed, plan, serial))
                .collect(),
            places: HashMap::new(),
        };
        api.renumber();
        api
    }

    fn renumber(&mut self) {
        self.places = self
            .contents
            .iter()
            .enumerate()
            .map(|(place, c)| (c.id.clone(), place))
            .collect();
    }

    pub(crate) fn contents(&self) -> &[Content] {
        &self.contents
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Content> {
        self.places
            .get(id)
            .and_then(|place| self.contents.get(*place))
    }

    /// Where a content stands in the order.
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Content> {
        self.places
            .get(id)
            .and_then(|place| self.contents.get_mut(*place))
    }

    /// Puts a content at this place of the order, 0 being the top.
    pub(crate) fn insert(&mut self, place: usize, content: Content) {
        self.contents
            .insert(place.min(self.contents.len()), content);
        self.renumber();
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<Content> {
        let place = *self.places.get(id)?;
        let removed = self.contents.remove(place);
        self.renumber();
        Some(removed)
    }

    pub(crate) fn rename(&mut self, id: &str, to: &str) {
        if let Some(content) = self.get_mut(id) {
            content.id = to.to_owned();
        }
        self.renumber();
    }
}

/// An API that the builder was asked for.
#[derive(Debug, Clone)]
pub(crate) struct ApiPlan {
    pub(crate) endpoint: String,
    pub(crate) name: String,
    pub(crate) kind: ApiKind,
    pub(crate) contents: u32,
    pub(crate) only_published: bool,
}

/// The id of a generated content. The first two of a list differ only in case:
/// content ids are case sensitive.
pub(crate) fn content_id(seed: u64, endpoint: &str, serial: u32) -> String {
    match serial {
        0 => "Top-News".to_owned(),
        1 => "top-news".to_owned(),
        _ => {
            let mut noise =
                Noise::new(&[seed, salt(endpoint), u64::from(serial), salt("content id")]);
            let letters = "abcdefghijklmnopqrstuvwxyz0123456789_-";
            let mut id: String = (0..7)
                .filter_map(|_| letters.chars().nth(noise.index(letters.len())))
                .collect();
            // The serial number keeps it unique.
            id.push_str(&base36(serial));
            id
        }
    }
}

fn base36(mut n: u32) -> String {
    let mut out = Vec::new();
    loop {
        out.push(char::from_digit(n % 36, 36).unwrap_or('0'));
        n /= 36;
        if n == 0 {
            return out.into_iter().rev().collect();
        }
    }
}

/// A draft key for the n-th draft of a content.
pub(crate) fn draft_key(seed: u64, id: &str, n: u64) -> String {
    let mut noise = Noise::new(&[seed, salt(id), n, salt("draft key")]);
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    (0..10)
        .filter_map(|_| letters.chars().nth(noise.index(letters.len())))
        .collect()
}

const PEOPLE: &[&str] = &[
    "9b1f6a52-8c1e-4d1b-9a55-0f4a6f0b3c11",
    "5c0d2f8e-2b7a-4e0c-8f1d-7d2b9e5a4c22",
    "e7a4b9c1-6d3f-4a2e-b8c0-1f5d3e7a9b33",
    // Pseudo members of the CSV export; whether the API shows them is not documented.
    "API",
    "CSV_IMPORT",
    "REMOVED_FROM_SERVICE",
];

fn generate(seed: u64, plan: &ApiPlan, serial: u32) -> Content {
    let mut noise = Noise::new(&[
        seed,
        salt(&plan.endpoint),
        u64::from(serial),
        salt("content"),
    ]);
    let id = if plan.kind == ApiKind::Object {
        content_id(seed, &plan.endpoint, 2)
    } else {
        content_id(seed, &plan.endpoint, serial)
    };
    let drawn = noise.below(10);
    let status = match drawn {
        _ if plan.only_published || plan.kind == ApiKind::Object => Status::Publish,
        0 => Status::Draft,
        1 => Status::PublishAndDraft,
        2 => Status::Closed,
        _ => Status::Publish,
    };
    let created_ms = FIRST_CREATED_MS + i64::from(serial) * 613_370;
    let updated_ms = created_ms + 3_600_720;
    let was_published = status != Status::Draft;
    let has_draft = matches!(status, Status::Draft | Status::PublishAndDraft);
    Content {
        draft_key: has_draft.then(|| draft_key(seed, &id, 0)),
        id,
        serial,
        status,
        created_ms,
        updated_ms,
        published_ms: was_published.then_some(created_ms + 60_000),
        revised_ms: was_published.then_some(created_ms + 120_500),
        closed_ms: (status == Status::Closed).then_some(updated_ms),
        created_by: noise.pick(PEOPLE).to_owned(),
        updated_by: noise.pick(PEOPLE).to_owned(),
        reservation: None,
        custom_status: None,
        published: was_published.then_some(Body::Made { version: 0 }),
        draft: has_draft.then_some(Body::Made { version: 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unique_and_valid() {
        let ids: HashSet<String> = (0..5_000)
            .map(|serial| content_id(3, "blog", serial))
            .collect();
        assert_eq!(ids.len(), 5_000);
        assert!(ids.iter().all(|id| {
            id.len() <= 50
                && id
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        }));
    }
}
