//! Edits of contents and APIs. What moves `updatedAt` follows the facts sheet, 2.5.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::World;
use super::contents::{Api, ApiKind, ApiPlan, Body, Content, Status, content_id, draft_key};
use super::edits::{Edit, EditError};
use super::schema::{Field, Kind};
use crate::times::{iso_short, parse_iso};

type Done = Result<String, EditError>;

impl World {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the chain's last link, `apply_to_metadata`, names every variant"
    )]
    pub(super) fn apply_to_contents(&mut self, edit: Edit) -> Done {
        match edit {
            Edit::AddContent {
                endpoint,
                id,
                status,
                fields,
                place,
            } => self.add_content(&endpoint, id, status, fields, place),
            Edit::DeleteContent { endpoint, id } => {
                let api = self.api_mut(&endpoint).ok_or(EditError::NoApi(endpoint))?;
                api.remove(&id)
                    .map(|gone| gone.id)
                    .ok_or(EditError::NoContent(id))
            }
            Edit::MoveContent {
                endpoint,
                id,
                place,
            } => {
                let api = self.api_mut(&endpoint).ok_or(EditError::NoApi(endpoint))?;
                let content = api
                    .remove(&id)
                    .ok_or_else(|| EditError::NoContent(id.clone()))?;
                api.insert(place, content);
                Ok(id)
            }
            Edit::Publish { endpoint, id } => self.with(&endpoint, &id, |content, now| {
                let Some(draft) = content.draft.take() else {
                    return wrong(content, "there is no draft to publish");
                };
                publish(content, draft, now);
                Ok(())
            }),
            Edit::AddDraft {
                endpoint,
                id,
                fields,
            } => self.add_draft(&endpoint, &id, fields),
            Edit::DiscardDraft { endpoint, id } => self.with(&endpoint, &id, |content, now| {
                if content.status != Status::PublishAndDraft {
                    return wrong(
                        content,
                        "only the draft of a published content can be discarded",
                    );
                }
                (content.draft, content.draft_key) = (None, None);
                content.status = Status::Publish;
                content.updated_ms = now;
                Ok(())
            }),
            Edit::Close { endpoint, id } => self.with(&endpoint, &id, |content, now| {
                if content.published.is_none() {
                    return wrong(content, "only a published content can be closed");
                }
                (content.draft, content.draft_key) = (None, None);
                content.status = Status::Closed;
                content.closed_ms = Some(now);
                content.updated_ms = now;
                Ok(())
            }),
            Edit::BackToDraft { endpoint, id } => self.back_to_draft(&endpoint, &id),
            Edit::EditBody {
                endpoint,
                id,
                fields,
            } => self.edit_body(&endpoint, &id, fields),
            Edit::RenameContent { endpoint, id, to } => self.rename_content(&endpoint, &id, &to),
            other => self.apply_to_metadata(other),
        }
    }

    /// Edits that change the metadata row and leave `updatedAt` alone, and those of whole APIs.
    fn apply_to_metadata(&mut self, edit: Edit) -> Done {
        match edit {
            Edit::Reserve { endpoint, id, publish, stop } => self.with(&endpoint, &id, |content, _| {
                content.reservation = (publish.is_some() || stop.is_some()).then_some((publish, stop));
                Ok(())
            }),
            Edit::SetPublishedAt { endpoint, id, at } => {
                let ms = parse_iso(&at).ok_or(EditError::BadDate(at))?;
                self.with(&endpoint, &id, |content, _| {
                    if content.published.is_none() {
                        return wrong(content, "only a published content has a date of publication");
                    }
                    content.published_ms = Some(ms);
                    Ok(())
                })
            }
            Edit::SetCreatedBy { endpoint, id, member } => self.with(&endpoint, &id, |content, _| {
                content.created_by = member;
                Ok(())
            }),
            Edit::SetCustomStatus { endpoint, id, name } => self.with(&endpoint, &id, |content, now| {
                content.custom_status = name.map(|name| {
                    json!([{
                        "key": "cs1", "description": "", "name": name, "behaviour": "PUBLISH",
                        "color": "#a20063", "createdAt": iso_short(now), "updatedAt": iso_short(now),
                    }])
                });
                Ok(())
            }),
            Edit::AddApi { endpoint, kind, contents } => {
                if self.api(&endpoint).is_some() {
                    return Err(EditError::Exists(endpoint));
                }
                let plan =
                    ApiPlan { name: endpoint.clone(), endpoint: endpoint.clone(), kind, contents, only_published: false };
                self.apis.push(Api::new(self.seed, &plan, &endpoint));
                Ok(endpoint)
            }
            Edit::DeleteApi { endpoint } => {
                let place = self.apis.iter().position(|api| api.endpoint == endpoint);
                self.apis.remove(place.ok_or_else(|| EditError::NoApi(endpoint.clone()))?);
                Ok(endpoint)
            }
            Edit::RenameApi { endpoint, name } => {
                let api = self.api_mut(&endpoint).ok_or(EditError::NoApi(endpoint))?;
                api.name.clone_from(&name);
                Ok(name)
            }
            Edit::AddField { endpoint, field } => {
                let api = self.api_mut(&endpoint).ok_or(EditError::NoApi(endpoint))?;
                if api.fields.iter().any(|known| known.id == field) {
                    return Err(EditError::Exists(field));
                }
                let new = Field { id: field.clone(), name: field.clone(), kind: Kind::Text, required: false };
                api.fields.push(new);
                Ok(field)
            }
            // `apply` hands down what it does not know; these are its own and media's.
            Edit::AddMedium { .. }
            | Edit::DeleteMedium { .. }
            | Edit::DeleteAllMedia
            | Edit::ReplaceBytes { .. }
            | Edit::ReplaceUnderNewUrl { .. }
            | Edit::RenameMedium { .. }
            | Edit::SetAlt { .. }
            | Edit::SetTags { .. }
            | Edit::TouchMedium { .. }
            | Edit::HideAsset { .. }
            | Edit::AddContent { .. }
            | Edit::DeleteContent { .. }
            | Edit::MoveContent { .. }
            | Edit::Publish { .. }
            | Edit::AddDraft { .. }
            | Edit::DiscardDraft { .. }
            | Edit::Close { .. }
            | Edit::BackToDraft { .. }
            | Edit::EditBody { .. }
            | Edit::RenameContent { .. }
            | Edit::RenameService { .. }
            | Edit::SetSchemaFormat { .. }
            | Edit::SetOldMediaForm { .. }
            | Edit::StopService { .. }
            | Edit::RejectIp { .. }
            | Edit::SetManagementRights { .. }
            | Edit::SetContentRights { .. }
            | Edit::ChangeKey { .. }
            | Edit::ExpireTokens
            | Edit::SetAssetOptions { .. }
            | Edit::SwitchAssetHosts { .. }
            | Edit::ResizeMedium { .. }
            | Edit::SetMediumPath { .. }
            | Edit::SetMaxAnswerBytes { .. } => Ok(String::new()),
        }
    }

    fn with(
        &mut self,
        endpoint: &str,
        id: &str,
        edit: impl FnOnce(&mut Content, i64) -> Result<(), EditError>,
    ) -> Done {
        let now = self.tick();
        let api = self
            .api_mut(endpoint)
            .ok_or_else(|| EditError::NoApi(endpoint.to_owned()))?;
        let content = api
            .get_mut(id)
            .ok_or_else(|| EditError::NoContent(id.to_owned()))?;
        edit(content, now)?;
        Ok(id.to_owned())
    }

    fn add_content(
        &mut self,
        endpoint: &str,
        id: Option<String>,
        status: Status,
        fields: Option<Map<String, Value>>,
        place: usize,
    ) -> Done {
        let (seed, now) = (self.seed, self.tick());
        let api = self
            .api_mut(endpoint)
            .ok_or_else(|| EditError::NoApi(endpoint.to_owned()))?;
        if api.kind == ApiKind::Object {
            return Err(EditError::Exists(endpoint.to_owned()));
        }
        let serial = api.next_serial;
        let id = id.unwrap_or_else(|| content_id(seed, endpoint, serial));
        if api.get(&id).is_some() {
            return Err(EditError::Exists(id));
        }
        api.next_serial += 1;
        let body = fields.map_or(Body::Made { version: 0 }, |fields| {
            Body::Given(Arc::new(fields))
        });
        let was_published = status != Status::Draft;
        let has_draft = matches!(status, Status::Draft | Status::PublishAndDraft);
        let content = Content {
            id: id.clone(),
            serial,
            status,
            created_ms: now,
            updated_ms: now,
            published_ms: was_published.then_some(now),
            revised_ms: was_published.then_some(now),
            closed_ms: (status == Status::Closed).then_some(now),
            draft_key: has_draft.then(|| draft_key(seed, &id, now.unsigned_abs())),
            created_by: "API".into(),
            updated_by: "API".into(),
            reservation: None,
            custom_status: None,
            published: was_published.then(|| body.clone()),
            draft: has_draft.then_some(body),
        };
        api.insert(place, content);
        Ok(id)
    }

    /// The newest body of a content (draft before published) with some fields laid over.
    fn overlaid(
        &self,
        endpoint: &str,
        id: &str,
        on_draft: bool,
        over: Map<String, Value>,
    ) -> Result<Body, EditError> {
        let api = self
            .api(endpoint)
            .ok_or_else(|| EditError::NoApi(endpoint.to_owned()))?;
        let content = api
            .get(id)
            .ok_or_else(|| EditError::NoContent(id.to_owned()))?;
        let base = if on_draft {
            content.draft.as_ref().or(content.published.as_ref())
        } else {
            content.published.as_ref()
        };
        let mut fields = base
            .map(|body| self.fields(api, content, body))
            .unwrap_or_default();
        fields.extend(over);
        Ok(Body::Given(Arc::new(fields)))
    }

    fn add_draft(&mut self, endpoint: &str, id: &str, fields: Map<String, Value>) -> Done {
        let body = self.overlaid(endpoint, id, true, fields)?;
        let seed = self.seed;
        self.with(endpoint, id, |content, now| {
            content.status = match content.status {
                Status::Publish | Status::PublishAndDraft => Status::PublishAndDraft,
                Status::Draft => Status::Draft,
                Status::Closed => return wrong(content, "a closed content takes no draft"),
            };
            let key = content.draft_key.take();
            content.draft_key =
                Some(key.unwrap_or_else(|| draft_key(seed, &content.id, now.unsigned_abs())));
            content.draft = Some(body);
            content.updated_ms = now;
            Ok(())
        })
    }

    fn back_to_draft(&mut self, endpoint: &str, id: &str) -> Done {
        let seed = self.seed;
        self.with(endpoint, id, |content, now| {
            let Some(published) = content.published.take() else {
                return wrong(content, "it is a draft already");
            };
            // publishedAt and revisedAt keep their values, as the page on content states says.
            content.draft = content.draft.take().or(Some(published));
            let key = content.draft_key.take();
            content.draft_key =
                Some(key.unwrap_or_else(|| draft_key(seed, &content.id, now.unsigned_abs())));
            content.status = Status::Draft;
            content.closed_ms = None;
            content.updated_ms = now;
            Ok(())
        })
    }

    fn edit_body(&mut self, endpoint: &str, id: &str, fields: Map<String, Value>) -> Done {
        let body = self.overlaid(endpoint, id, false, fields)?;
        self.with(endpoint, id, |content, now| {
            if !matches!(content.status, Status::Publish | Status::PublishAndDraft) {
                return wrong(content, "only a published body can be edited; use a draft");
            }
            content.published = Some(body);
            content.revised_ms = Some(now);
            content.updated_ms = now;
            Ok(())
        })
    }

    fn rename_content(&mut self, endpoint: &str, id: &str, to: &str) -> Done {
        let now = self.tick();
        let api = self
            .api_mut(endpoint)
            .ok_or_else(|| EditError::NoApi(endpoint.to_owned()))?;
        if api.get(to).is_some() {
            return Err(EditError::Exists(to.to_owned()));
        }
        let content = api
            .get_mut(id)
            .ok_or_else(|| EditError::NoContent(id.to_owned()))?;
        content.updated_ms = now;
        api.rename(id, to);
        Ok(to.to_owned())
    }
}

fn wrong(content: &Content, why: &'static str) -> Result<(), EditError> {
    Err(EditError::WrongState {
        id: content.id.clone(),
        status: content.status,
        why,
    })
}

fn publish(content: &mut Content, body: Body, now: i64) {
    content.published = Some(body);
    content.draft_key = None;
    content.status = Status::Publish;
    content.closed_ms = None;
    content.published_ms = content.published_ms.or(Some(now));
    content.revised_ms = Some(now);
    content.updated_ms = now;
}
