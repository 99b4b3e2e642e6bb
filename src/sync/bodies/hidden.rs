//! What a key with the all-drafts right does not see: the published body behind a draft.

use super::ask::Api;
use super::stale::{self, Age};
use crate::model::{BodySide, ContentId, EndpointKind, OwedBody, Scope, Status, WalkVerdict};
use crate::remote::{Batch, FoundBody, Lookup, is_same_body, read_content, says_the_same};
use crate::store::HadBody;
use crate::sync::run::Ahead;

/// Why a body that is newer than its listing is not taken.
pub(super) const MOVED: &str =
    "it was edited since it was listed, and what is served may be a draft: the next listing tells";
/// Bodies with a later stamp than their listing that nobody had edited, after which an API's stamps are taken to
/// mean something else.
const FEW_AHEAD: u32 = 3;
/// Look-ups of one API in one run; each is one of the Management API's few requests.
const MOST_ASKED: u32 = 100;

impl Api<'_> {
    /// Returns whether the key sees drafts without their draft keys; `None` where nothing tells.
    ///
    /// A draft that equals what is published looks the same as one that hides it. A content that was
    /// never published tells the two apart: a key without the right does not see it. So does one whose draft is
    /// another text than what is published.
    pub(super) async fn sees_all_drafts(&self) -> Option<bool> {
        let _alone = self.run.draft_probe.lock().await;
        // What tells may be listed yet.
        let is_listing = self.run.is_listing(self.endpoint);
        let known = self.run.sheet().sees_all_drafts.get(self.endpoint).copied();
        match known {
            Some((_, Some(sees))) => return Some(sees),
            Some((was_listing, None)) if was_listing == is_listing => return None,
            Some((_, None)) | None => {}
        }
        let endpoint = self.endpoint.clone();
        let unpublished = self
            .run
            .store(move |store| store.unpublished_content(&endpoint))
            .await
            .ok()
            .flatten();
        let mut sees = match unpublished {
            Some(id) => self.sees(id).await,
            None => None,
        };
        if sees.is_none() {
            sees = self.sees_by_two_bodies().await;
        }
        let endpoint = self.endpoint.clone();
        let mut sheet = self.run.sheet();
        sheet.sees_all_drafts.insert(endpoint, (is_listing, sees));
        drop(sheet);
        sees
    }

    /// Returns whether the key sees a content that was not published when it was listed last, without its draft key.
    /// That it was published or deleted since must not be taken for an answer.
    async fn sees(&self, id: ContentId) -> Option<bool> {
        let remote = &self.run.rooms.remote;
        let batch = Batch {
            ids: vec![id.clone()],
        };
        let answer = remote.published_bodies(self.endpoint, &batch).await;
        if answer.found.is_empty() && answer.left_out.is_empty() {
            return None;
        }
        // Not by its draft, which is transferred anyway where it is owed.
        let Ok(Lookup::Found(content)) = remote.look_up(self.endpoint, &id).await else {
            return None;
        };
        let listed = read_content(&content.metadata, Some(id.as_str())).ok()?;
        (listed.status == Status::Draft).then_some(!answer.found.is_empty())
    }

    /// The same by which of its two recorded bodies a content is served with. One that was edited since tells nothing.
    async fn sees_by_two_bodies(&self) -> Option<bool> {
        let endpoint = self.endpoint.clone();
        let known = self
            .run
            .store(move |store| store.content_with_two_bodies(&endpoint))
            .await
            .ok()
            .flatten()?;
        let batch = Batch {
            ids: vec![known.id.clone()],
        };
        let remote = &self.run.rooms.remote;
        let answer = remote.published_bodies(self.endpoint, &batch).await;
        let (_, served) = answer.found.into_iter().find(|(id, _)| *id == known.id)?;
        let is_published = says_the_same(&served.text, &known.published);
        let is_draft = says_the_same(&served.text, &known.draft);
        // Two that say the same in other spellings tell nothing.
        (is_published != is_draft).then_some(is_draft)
    }

    /// Returns whether a body is the one that was published when it was recorded last: nothing was published since, and nothing
    /// in it is another but the time of the draft beside it. Then it is what is published, also where a draft that says
    /// the same is served in its place.
    pub(super) async fn is_published_before(&self, owed: &OwedBody, body: &FoundBody) -> bool {
        let Some(had) = self.had_published(owed).await else {
            return false;
        };
        had.revised_at.is_some()
            && stale::is_same(&had.revised_at, &owed.revised_at)
            && is_same_body(&had.text, &body.text)
    }

    /// Returns how old a draft is that may be what is published, as the service shows it to a draft key that is valid no
    /// more. `published` is what was served as that. `None`: it is a draft.
    pub(super) async fn age_of_doubted_draft(
        &self,
        owed: &OwedBody,
        draft: &FoundBody,
        published: Option<&FoundBody>,
    ) -> Option<Age> {
        let age = stale::age_of_equal_draft(owed, draft);
        let is_one = owed.side == BodySide::Draft && owed.status == Status::PublishAndDraft;
        if !is_one || age == Age::Right {
            return None;
        }
        let is_served = published.is_some_and(|body| is_same_body(&body.text, &draft.text));
        let is_published = is_served || self.is_recorded_as_published(owed, draft).await;
        // A key that sees all drafts is shown them whatever draft key it names.
        (is_published && self.sees_all_drafts().await != Some(true)).then_some(age)
    }

    async fn is_recorded_as_published(&self, owed: &OwedBody, body: &FoundBody) -> bool {
        let had = self.had_published(owed).await;
        had.is_some_and(|had| is_same_body(&had.text, &body.text))
    }

    async fn had_published(&self, owed: &OwedBody) -> Option<HadBody> {
        let (endpoint, id) = (self.endpoint.clone(), owed.id.clone());
        let had = self
            .run
            .store(move |store| store.had_body(&endpoint, &id, BodySide::Published))
            .await;
        had.ok().flatten()
    }

    /// Returns whether what is served in the place of a published body may be a draft that was saved since the
    /// listing, as a key with the all-drafts right is shown (microcms-facts 2.2). `draft` is what its draft key shows,
    /// where that was asked for.
    pub(super) async fn may_be_draft(
        &self,
        owed: &OwedBody,
        body: &FoundBody,
        draft: Option<&FoundBody>,
    ) -> bool {
        let has_draft = owed.status == Status::PublishAndDraft;
        let newest = if has_draft { draft } else { Some(body) };
        if !newest.is_some_and(|newest| stale::is_ahead(owed, newest)) {
            return false;
        }
        let known = self.run.sheet().ahead.get(self.endpoint).copied();
        let Ahead { unedited, asked } = known.unwrap_or_default();
        if unedited >= FEW_AHEAD || self.sees_all_drafts().await == Some(false) {
            return false;
        }
        // What was listed again since it was doubted, and is as it was, has stamps that mean something else.
        let is_doubtful = !(is_doubted(owed) && self.is_listed_now());
        // With a draft beside it, no look-up tells which of them was served. And thousands may be published at once.
        if has_draft || asked >= MOST_ASKED || self.has_no_id(owed) {
            return is_doubtful;
        }
        self.run.sheet().ahead(self.endpoint).asked += 1;
        let remote = &self.run.rooms.remote;
        let content = match remote.look_up(self.endpoint, &owed.id).await {
            Ok(Lookup::Found(content)) => content,
            // What is served is not this content's: another has its place now. An object whose id is told no more is none.
            Ok(Lookup::Absent) => return is_doubtful || self.kind == EndpointKind::List,
            Err(_) => return is_doubtful,
        };
        let Ok(now) = read_content(&content.metadata, Some(owed.id.as_str())) else {
            return is_doubtful;
        };
        if now.status != owed.status {
            return true;
        }
        if stale::is_same(&now.updated_at, &owed.updated_at) {
            self.run.sheet().ahead(self.endpoint).unedited += 1;
            return false;
        }
        !stale::is_same(&now.updated_at, &body.updated_at)
    }

    /// Returns whether a content has its API's name for want of an id of its own (design.md section 2): there is no looking it
    /// up.
    fn has_no_id(&self, owed: &OwedBody) -> bool {
        self.kind == EndpointKind::Object && owed.id.as_str() == self.endpoint.as_str()
    }

    /// Returns whether this run has listed the whole API.
    fn is_listed_now(&self) -> bool {
        let scope = Scope::Contents(self.endpoint.clone());
        let sheet = self.run.sheet();
        sheet
            .walks
            .iter()
            .any(|walk| walk.scope == scope && walk.verdict == WalkVerdict::Proven)
    }
}

/// Returns whether a body was not taken because it may be a draft.
pub(super) fn is_doubted(owed: &OwedBody) -> bool {
    owed.last_error.as_deref() == Some(MOVED)
}
