//! The Management API (facts sheet 1 and 6).

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};

use super::{Answer, Ask, Route};
use crate::query::Query;
use crate::state::World;
use crate::state::contents::ApiKind;
use crate::state::rights::ManagementRights;
use crate::state::schema::schema_json;
use crate::tokens::{TotalCount, Use};

/// An answer, and the age of the page token that the request carried.
pub(crate) type Answered = (Answer, Option<std::time::Duration>);

impl World {
    /// Answers one request at `{id}.microcms-management.io`.
    pub(crate) fn management(&mut self, ask: &Ask) -> Answered {
        match self.management_gate(ask) {
            Some(refusal) => (refusal, None),
            None => self.management_route(ask),
        }
    }

    /// Everything that is refused before the route is looked at.
    fn management_gate(&mut self, ask: &Ask) -> Option<Answer> {
        if self
            .budgets
            .take_management(ask.client, Instant::now())
            .is_err()
        {
            // Bare: no header is documented for this API.
            return Some(Answer::error(429, "Too Many Requests"));
        }
        if self.ip_rejected {
            return Some(Answer::error(400, "IP address rejected."));
        }
        let rights = self
            .keys
            .iter()
            .find(|key| Some(&key.text) == ask.key.as_ref())
            .map(|key| key.management);
        // A wrong key and a missing permission look alike.
        let Some(rights) = rights else {
            return Some(Answer::error(403, "Forbidden"));
        };
        if ask.route == Route::Unknown {
            return Some(Answer::error(404, "Not Found"));
        }
        if ask.method != "GET" {
            return Some(Answer::error(405, "Method Not Allowed"));
        }
        (!allows(rights, ask.route)).then(|| Answer::error(403, "Forbidden"))
    }

    fn management_route(&mut self, ask: &Ask) -> Answered {
        let answer = match ask.route {
            Route::Service => Answer::json(200, &json!({ "name": self.service_name })),
            Route::Apis => self.api_list(),
            Route::Schema => self.schema(&ask.segment(1)),
            Route::MetadataList => self.metadata_list(&ask.segment(1), &ask.query),
            Route::Metadata => self.metadata(&ask.segment(1), &ask.segment(2)),
            Route::MediaV1 => self.media_v1(&ask.query),
            Route::Media => return self.media_v2(&ask.query),
            Route::ContentList
            | Route::Content
            | Route::Image
            | Route::File
            | Route::Foreign
            | Route::Unknown => Answer::error(404, "Not Found"),
        };
        (answer.within(self.max_answer_bytes), None)
    }

    fn api_list(&self) -> Answer {
        let apis = self
            .apis
            .iter()
            .map(|api| json!({"name": api.name, "endpoint": api.endpoint, "type": api.kind}));
        Answer::json(200, &json!({ "apis": apis.collect::<Vec<_>>() }))
    }

    fn schema(&self, endpoint: &str) -> Answer {
        match self.api(endpoint) {
            Some(api) => Answer::json(200, &schema_json(&api.fields, self.schema_format)),
            None => Answer::error(404, "Content not found"),
        }
    }

    fn metadata_list(&self, endpoint: &str, query: &Query) -> Answer {
        let (limit, offset) = match (limit(query), offset(query)) {
            (Ok(limit), Ok(offset)) => (limit, offset),
            (Err(refusal), _) | (_, Err(refusal)) => return refusal,
        };
        let Some(api) = self.api(endpoint) else {
            return Answer::error(404, "Content not found");
        };
        if api.kind == ApiKind::Object {
            // The list of an object API is its one content's metadata.
            return api.contents().first().map_or_else(
                || Answer::error(404, "Content not found"),
                |content| Answer::json(200, &content.metadata()),
            );
        }
        let contents: Vec<Value> = api
            .contents()
            .iter()
            .skip(offset)
            .take(limit)
            .map(|c| c.metadata())
            .collect();
        Answer::json(
            200,
            &json!({"contents": contents, "totalCount": api.contents().len(), "offset": offset, "limit": limit}),
        )
    }

    fn metadata(&self, endpoint: &str, id: &str) -> Answer {
        match self.api(endpoint).and_then(|api| api.get(id)) {
            Some(content) => Answer::json(200, &content.metadata()),
            None => Answer::error(404, "Content not found"),
        }
    }

    /// Offset paging, without the fields that v2 gained; wrong beyond 10,000 as in reality.
    fn media_v1(&self, query: &Query) -> Answer {
        let (limit, offset, image_only) = match (limit(query), offset(query), image_only(query)) {
            (Ok(limit), Ok(offset), Ok(image_only)) => (limit, offset, image_only),
            (Err(refusal), _, _) | (_, Err(refusal), _) | (_, _, Err(refusal)) => return refusal,
        };
        let listed = self
            .media
            .iter()
            .filter(|medium| !image_only || medium.is_image());
        let total = if image_only {
            listed.count()
        } else {
            self.media.order().len()
        };
        // The index behind it does not look further than 10,000.
        let offset_served = offset.min(10_000);
        let page = self
            .media
            .iter()
            .filter(|medium| !image_only || medium.is_image());
        let media: Vec<Value> = page
            .skip(offset_served)
            .take(limit)
            .map(|medium| medium.listing(&self.bases, true))
            .collect();
        Answer::json(
            200,
            &json!({"media": media, "totalCount": total, "limit": limit, "offset": offset}),
        )
    }

    fn media_v2(&mut self, query: &Query) -> Answered {
        match query.filled("token") {
            None => (
                self.first_media_page(query).within(self.max_answer_bytes),
                None,
            ),
            Some(token) => {
                if ["limit", "imageOnly"]
                    .iter()
                    .any(|name| query.get(name).is_some())
                {
                    return (
                        Answer::error(
                            400,
                            "limit and imageOnly cannot be specified together with token",
                        ),
                        None,
                    );
                }
                let (answer, age) = self.next_media_page(token);
                (answer.within(self.max_answer_bytes), age)
            }
        }
    }

    fn first_media_page(&mut self, query: &Query) -> Answer {
        let (limit, image_only) = match (limit(query), image_only(query)) {
            (Ok(limit), Ok(image_only)) => (limit, image_only),
            (Err(refusal), _) | (_, Err(refusal)) => return refusal,
        };
        let serials = self.filtered_media(query, image_only);
        let is_search = ["fileName", "tags", "alt"]
            .iter()
            .any(|name| query.filled(name).is_some());
        if serials.is_empty() && (is_search || self.empty_media_is_404) {
            return Answer::error(404, "Content not found");
        }
        let page = self.media_page(&self.media, &serials, 0, limit);
        let total = serials.len();
        // Always a token, even when nothing is left.
        let token = self
            .tokens
            .begin(Arc::clone(&self.media), serials, limit, limit);
        Answer::json(
            200,
            &json!({"media": page, "totalCount": total, "token": token}),
        )
    }

    fn next_media_page(&mut self, token: &str) -> Answered {
        let (mut cursor, age) = match self.tokens.take(token) {
            Use::Good { cursor, age } => (cursor, age),
            Use::Refused { age } => return (Answer::error(400, "BadRequest"), age),
        };
        let page = self.media_page(&cursor.snapshot, &cursor.serials, cursor.next, cursor.limit);
        cursor.next = cursor.next.saturating_add(cursor.limit);
        let total = match self.tokens.total {
            TotalCount::Snapshot => cursor.serials.len(),
            TotalCount::Live => self.media.order().len(),
        };
        let mut body = json!({"media": page, "totalCount": total});
        if let (Some(token), Some(body)) =
            (self.tokens.put_back(token, cursor), body.as_object_mut())
        {
            body.insert("token".into(), token.into());
        }
        (Answer::json(200, &body), Some(age))
    }

    fn media_page(
        &self,
        set: &crate::state::media::MediaSet,
        serials: &[u32],
        from: usize,
        limit: usize,
    ) -> Vec<Value> {
        let page = serials.iter().skip(from).take(limit);
        page.map(|serial| {
            set.medium(*serial)
                .listing(&self.bases, self.old_media_form)
        })
        .collect()
    }

    fn filtered_media(&self, query: &Query, image_only: bool) -> Arc<[u32]> {
        let (name, alt, tags) = (
            query.filled("fileName"),
            query.filled("alt"),
            query.filled("tags"),
        );
        if !image_only && name.is_none() && alt.is_none() && tags.is_none() {
            return Arc::from(self.media.order());
        }
        let hits = self.media.iter().filter(|medium| {
            (!image_only || medium.is_image())
                && name.is_none_or(|text| medium.name.contains(text))
                && alt.is_none_or(|text| medium.alt.as_ref().is_some_and(|alt| alt.contains(text)))
                && tags.is_none_or(|all| {
                    all.split(',')
                        .all(|tag| medium.tags.iter().any(|known| known == tag))
                })
        });
        hits.map(|medium| medium.serial).collect()
    }
}

const fn allows(rights: ManagementRights, route: Route) -> bool {
    match route {
        Route::Service => rights.service,
        Route::Apis | Route::Schema => rights.apis,
        Route::MetadataList | Route::Metadata => rights.contents,
        Route::Media | Route::MediaV1 => rights.media,
        Route::ContentList
        | Route::Content
        | Route::Image
        | Route::File
        | Route::Foreign
        | Route::Unknown => false,
    }
}

fn integer(query: &Query, name: &str, default: i64) -> Result<i64, Answer> {
    match query.get(name) {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_not_a_number| {
            Answer::error(400, &format!("Invalid integer in query ({name}={text})"))
        }),
    }
}

fn limit(query: &Query) -> Result<usize, Answer> {
    let limit = integer(query, "limit", 10)?;
    if limit > 100 {
        return Err(Answer::error(
            400,
            "limit must be less than or equal to 100",
        ));
    }
    usize::try_from(limit).map_err(|_negative| Answer::error(400, "Limit: must be no less than 0."))
}

fn offset(query: &Query) -> Result<usize, Answer> {
    let offset = integer(query, "offset", 0)?;
    usize::try_from(offset)
        .map_err(|_negative| Answer::error(400, "Offset: must be no less than 0"))
}

fn image_only(query: &Query) -> Result<bool, Answer> {
    match query.get("imageOnly") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Answer::error(
            400,
            &format!("Invalid boolean in query (imageOnly={other})"),
        )),
    }
}
