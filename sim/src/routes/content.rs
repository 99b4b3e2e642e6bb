//! The Content API (facts sheet 2 and 6).

use std::time::Instant;

use serde_json::{Value, json};

use super::{Answer, Ask, Route};
use crate::query::{Filter, Query, select, sort};
use crate::state::World;
use crate::state::contents::{Api, ApiKind, Content, Viewer};
use crate::state::rights::ContentRights;
use crate::times::{now_iso, now_unix};

impl World {
    /// Answers one request at `{id}.microcms.io`.
    pub(crate) fn content(&mut self, ask: &Ask) -> Answer {
        let answer = match self.content_gate(ask) {
            Ok(rights) => self
                .content_route(ask, rights)
                .within(self.max_answer_bytes),
            Err(refusal) => refusal,
        };
        answer.header("x-current-date-time", now_iso())
    }

    /// Everything that is refused before the API is looked at; otherwise the key's rights.
    fn content_gate(&mut self, ask: &Ask) -> Result<ContentRights, Answer> {
        if let Err(refused) = self.budgets.take_content(Instant::now()) {
            let wait = i64::try_from(refused.wait.as_millis().div_ceil(1000)).unwrap_or(1);
            return Err(
                Answer::error(429, "Too many requests, please try again later.")
                    .header("x-ratelimit-limit", refused.limit.to_string())
                    .header("x-ratelimit-remaining", "0")
                    .header("x-ratelimit-reset", (now_unix() + wait).to_string()),
            );
        }
        if self.ip_rejected {
            return Err(Answer::error(400, "IP address rejected."));
        }
        let key = self
            .keys
            .iter()
            .find(|key| Some(&key.text) == ask.key.as_ref());
        let Some(key) = key else {
            return Err(Answer::error(401, "X-MICROCMS-API-KEY header is invalid."));
        };
        if self.stopped {
            let id = &self.service_id;
            return Err(Answer::error(
                400,
                &format!("API is stopped for {id} service. Please upgrade your plan."),
            ));
        }
        if ask.path.contains("//") {
            return Err(Answer::error(400, "Invalid request"));
        }
        if !matches!(ask.route, Route::ContentList | Route::Content) {
            return Err(Answer::silent(404));
        }
        let rights = key.content_rights(&ask.segment(0));
        if ask.method != "GET" || !rights.get {
            // A missing permission is 400 here, not 403.
            return Err(Answer::error(400, &format!("{} is forbidden.", ask.method)));
        }
        Ok(rights)
    }

    fn content_route(&self, ask: &Ask, rights: ContentRights) -> Answer {
        let Some(api) = self.api(&ask.segment(0)) else {
            return Answer::silent(404);
        };
        let viewer = Viewer {
            all_drafts: rights.all_drafts,
            all_closed: rights.all_closed,
            draft_key: ask.query.filled("draftKey"),
        };
        let is_detail = ask.route == Route::Content;
        match (is_detail, api.kind) {
            (true, ApiKind::Object) => Answer::silent(404),
            (true, ApiKind::List) => match api.get(&ask.segment(1)) {
                Some(content) => self.one(api, content, &ask.query, viewer, 0),
                None => Answer::silent(404),
            },
            (false, ApiKind::Object) => match api.contents().first() {
                Some(content) => self.one(api, content, &ask.query, viewer, 1),
                None => Answer::silent(404),
            },
            (false, ApiKind::List) => self
                .list(api, &ask.query, viewer)
                .unwrap_or_else(|refusal| refusal),
        }
    }

    /// The detail endpoint and object APIs. `empty_depth` is what `depth=` means.
    fn one(
        &self,
        api: &Api,
        content: &Content,
        query: &Query,
        viewer: Viewer<'_>,
        empty_depth: u8,
    ) -> Answer {
        let depth = match depth(query, empty_depth) {
            Ok(depth) => depth,
            Err(refusal) => return refusal,
        };
        match content.visible(viewer) {
            Some(body) => {
                let shown = self.render(api, content, body, viewer, depth);
                Answer::json(
                    200,
                    &query
                        .filled("fields")
                        .map_or(shown.clone(), |fields| select(&shown, fields)),
                )
            }
            // Drafts and closed contents are not there for those without the right.
            None => Answer::silent(404),
        }
    }

    fn list(&self, api: &Api, query: &Query, viewer: Viewer<'_>) -> Result<Answer, Answer> {
        let limit = number(query, "limit", 10, 100)?;
        let offset = number(query, "offset", 0, usize::MAX)?;
        let depth = depth(query, 1)?;
        let visible = self.matching(api, query, viewer)?;
        let page = visible.iter().skip(offset).take(limit).filter_map(|place| {
            let content = api.contents().get(*place)?;
            let shown = self.render(api, content, content.visible(viewer)?, viewer, depth);
            Some(
                query
                    .filled("fields")
                    .map_or(shown.clone(), |fields| select(&shown, fields)),
            )
        });
        let contents: Vec<Value> = page.collect();
        let body = json!({"contents": contents, "totalCount": visible.len(), "offset": offset, "limit": limit});
        Ok(Answer::json(200, &body))
    }

    /// The places of the contents that the viewer sees and the query asks for, in its order.
    fn matching(&self, api: &Api, query: &Query, viewer: Viewer<'_>) -> Result<Vec<usize>, Answer> {
        let ids: Option<Vec<&str>> = query.filled("ids").map(|ids| ids.split(',').collect());
        let filter = query
            .filled("filters")
            .map(|text| Filter::parse(text).ok_or_else(|| Answer::error(400, "invalid parameter.")))
            .transpose()?;
        let (search, orders) = (query.filled("q"), query.filled("orders"));
        let places = match ids {
            // Looked up: asked in hundreds, a long list would be gone through a thousand times.
            Some(ids) => {
                let mut places: Vec<usize> = ids.iter().filter_map(|id| api.place(id)).collect();
                places.sort_unstable();
                places.dedup();
                places
            }
            None => (0..api.contents().len()).collect(),
        };
        let wanted = places
            .into_iter()
            .filter_map(|place| Some((place, api.contents().get(place)?)))
            .filter(|(_, content)| content.visible(viewer).is_some());
        if filter.is_none() && search.is_none() && orders.is_none() {
            return Ok(wanted.map(|(place, _)| place).collect());
        }
        let mut hits: Vec<(usize, Value)> = wanted
            .filter_map(|(place, content)| {
                // Searching matches the published values even where the draft is shown.
                let body = content
                    .published
                    .as_ref()
                    .or_else(|| content.visible(viewer))?;
                Some((place, self.render(api, content, body, viewer, 0)))
            })
            .filter(|(_, shown)| filter.as_ref().is_none_or(|filter| filter.holds(shown)))
            .filter(|(_, shown)| search.is_none_or(|text| shown.to_string().contains(text)))
            .collect();
        sort(&mut hits, orders.unwrap_or(""));
        Ok(hits.into_iter().map(|(place, _)| place).collect())
    }
}

/// A number of the query; an empty value is the default.
fn number(query: &Query, name: &str, default: usize, most: usize) -> Result<usize, Answer> {
    let Some(text) = query.filled(name) else {
        return Ok(default);
    };
    text.parse()
        .ok()
        .filter(|number| *number <= most)
        .ok_or_else(|| Answer::error(400, &format!("Invalid '{name}' value.")))
}

/// `depth` from 0 to 3. Absent, it is 1; empty, it depends on the endpoint.
fn depth(query: &Query, when_empty: u8) -> Result<u8, Answer> {
    match query.get("depth") {
        None => Ok(1),
        Some("") => Ok(when_empty),
        Some(text) => text
            .parse()
            .ok()
            .filter(|depth| *depth <= 3)
            .ok_or_else(|| Answer::error(400, "invalid parameter.")),
    }
}
