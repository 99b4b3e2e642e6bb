//! One request for bodies: what it asks, and what its answer means.

use super::super::run::Run;
use super::hidden::MOVED;
use super::stale::{self, Age, STALE};
use super::wanted::{Sides, Wanted};
use crate::model::{BodyDigest, BodyOutcome, ContentId, Endpoint, EndpointKind, OwedBody, Status};
use crate::remote::{Batch, BatchAnswer, FoundBody, RemoteError, says_the_same};
use std::collections::{BTreeMap, BTreeSet};
use tokio::task::JoinError;

/// Why the body of a closed content cannot be had.
pub(super) const CLOSED: &str =
    "closed contents need the key's right `公開終了コンテンツの全取得` (all closed contents)";
/// Why the published body of a content with a draft cannot be had.
pub(super) const HIDDEN: &str = "the answer is the draft: the key's right `下書きコンテンツの全取得` (all drafts) hides what is published";

/// The same where the draft says what is served, and nothing tells which of the two that is.
pub(super) const EQUAL: &str = "its draft says the same, and nothing tells whether the key's right `下書きコンテンツの全取得` (all drafts) hides another text that is published";

/// Why a draft is not asked for.
pub(super) const DRAFTS: &str = "the key was refused several drafts of this API and read none";

/// The API asked, and the run that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Api<'a> {
    pub(super) run: &'a Run,
    pub(super) endpoint: &'a Endpoint,
    pub(super) kind: EndpointKind,
}

/// What came of one request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) outcomes: Vec<BodyOutcome>,
    /// Trouble that may concern more than what was asked for.
    pub(super) trouble: Option<RemoteError>,
}

impl Answer {
    /// Returns how long its bodies are.
    pub(super) fn bytes(&self) -> usize {
        let bodies = self.outcomes.iter().map(|outcome| match outcome {
            BodyOutcome::Saved { body, .. } => body.len(),
            BodyOutcome::Refused { .. }
            | BodyOutcome::Doubted { .. }
            | BodyOutcome::Failed { .. } => 0,
        });
        bodies.sum()
    }

    /// Returns whether all that was asked for was refused to the key.
    pub(super) fn is_refused(&self) -> bool {
        let refused = |outcome: &BodyOutcome| matches!(outcome, BodyOutcome::Refused { .. });
        !self.outcomes.is_empty() && self.outcomes.iter().all(refused)
    }

    /// Reads the bodies through, on a thread where that holds nobody up: the database then has only to
    /// write what follows from them.
    pub(super) async fn read_through(mut self) -> Result<Self, JoinError> {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.outcomes = crate::blocking::run(move || {
            outcomes.iter_mut().for_each(read_through);
            outcomes
        })
        .await?;
        Ok(self)
    }
}

fn read_through(outcome: &mut BodyOutcome) {
    match outcome {
        BodyOutcome::Saved { body, digest, .. } => *digest = Some(BodyDigest::of(body)),
        BodyOutcome::Refused { .. } | BodyOutcome::Doubted { .. } | BodyOutcome::Failed { .. } => {}
    }
}

impl Api<'_> {
    /// Asks, and says what the answer means for each body.
    pub(super) async fn ask(&self, wanted: Wanted) -> Answer {
        match wanted {
            Wanted::Draft(owed) => match self.draft_text(&owed).await {
                Ok(found) => Answer {
                    outcomes: self.draft(&owed, found.as_ref(), None).await,
                    trouble: None,
                },
                Err(err) => {
                    let outcome = self.not_had(&owed, &err);
                    self.run.sheet().has_forbidden_draft |= err.is_about_endpoint();
                    // What refuses one draft says nothing of the API's other bodies.
                    Answer {
                        outcomes: vec![outcome],
                        trouble: (!err.is_about_endpoint()).then_some(err),
                    }
                }
            },
            Wanted::Published(contents) => self.published(contents).await,
        }
    }

    async fn published(&self, contents: Vec<Sides>) -> Answer {
        let ids: Vec<ContentId> = contents
            .iter()
            .filter_map(|sides| sides.published.as_ref())
            .map(|owed| owed.id.clone())
            .collect();
        let mut answer = match self.kind {
            EndpointKind::List => {
                self.run
                    .rooms
                    .remote
                    .published_bodies(self.endpoint, &Batch { ids })
                    .await
            }
            EndpointKind::Object => self.object(ids).await,
        };
        if answer.found.is_empty()
            && let Some(err) = answer.trouble
        {
            return self.none_of(&contents, err);
        }
        let mut found: BTreeMap<ContentId, FoundBody> =
            std::mem::take(&mut answer.found).into_iter().collect();
        let mut result = Answer {
            outcomes: Vec::new(),
            trouble: answer.trouble,
        };
        let failed: BTreeSet<ContentId> = answer.failed.iter().map(|(id, _)| id.clone()).collect();
        for (id, err) in answer.failed {
            let owed = contents
                .iter()
                .filter_map(|sides| sides.published.as_ref())
                .find(|owed| owed.id == id);
            result
                .outcomes
                .extend(owed.map(|owed| self.failed(owed, err.chain())));
        }
        for sides in &contents {
            let Some(owed) = &sides.published else {
                continue;
            };
            let body = found.remove(&owed.id);
            let is_left_out = answer.left_out.contains(&owed.id);
            let is_answered = body.is_some() || is_left_out || failed.contains(&owed.id);
            if !is_answered && result.trouble.is_some() {
                continue;
            }
            self.settle(owed, sides.draft.as_ref(), body, is_left_out, &mut result)
                .await;
        }
        result
    }

    /// An object-type API, in the form of a batch of one. What it serves is the body of the content that it listed, and not of
    /// those that are known of a list which had its name before.
    async fn object(&self, mut ids: Vec<ContentId>) -> BatchAnswer {
        let mut answer = BatchAnswer::default();
        let listed = self.run.sheet().objects.get(self.endpoint).cloned();
        let own = ids.iter().position(|owed| Some(owed) == listed.as_ref());
        if let Some(own) = own {
            match self.run.rooms.remote.object_body(self.endpoint).await {
                Ok(Some(body)) => answer.found.push((ids.remove(own), body)),
                Ok(None) => {}
                Err(err) => {
                    answer.trouble = Some(err);
                    return answer;
                }
            }
        }
        answer.left_out = ids;
        answer
    }

    fn none_of(&self, contents: &[Sides], err: RemoteError) -> Answer {
        let outcomes = contents
            .iter()
            .flat_map(|sides| sides.published.iter().chain(sides.draft.iter()))
            .map(|owed| self.not_had(owed, &err))
            .collect();
        Answer {
            outcomes,
            trouble: Some(err),
        }
    }

    /// Settles the bodies of one content after the batch that held its published one.
    async fn settle(
        &self,
        owed: &OwedBody,
        owed_draft: Option<&OwedBody>,
        body: Option<FoundBody>,
        is_left_out: bool,
        result: &mut Answer,
    ) {
        let has_both = owed.status == Status::PublishAndDraft || owed_draft.is_some();
        let draft = if has_both {
            Some(self.draft_text(owed).await)
        } else {
            None
        };
        if let Some(owed_draft) = owed_draft {
            result.outcomes.extend(match &draft {
                Some(Ok(found)) => self.draft(owed_draft, found.as_ref(), body.as_ref()).await,
                Some(Err(err)) => vec![self.not_had(owed_draft, err)],
                None => vec![self.failed(owed_draft, "it was not asked for".to_owned())],
            });
        }
        let draft_text = draft
            .as_ref()
            .and_then(found_draft)
            .map(|found| &found.text);
        let is_served = body.is_some();
        match body {
            // With the all-drafts right the service shows the draft in place of the published body
            // (microcms-facts 2.2), and recording that would be a false claim. That the two answers differ
            // proves nothing then: the draft may have been saved in between.
            Some(body)
                if owed.status == Status::PublishAndDraft
                    && match self.sees_all_drafts().await {
                        Some(sees) => sees,
                        None => draft_text.is_some_and(|draft| says_the_same(draft, &body.text)),
                    }
                    && !self.is_published_before(owed, &body).await =>
            {
                let reason = match self.sees_all_drafts().await {
                    Some(true) => HIDDEN,
                    Some(false) | None => EQUAL,
                };
                result.outcomes.push(self.refused(owed, reason));
            }
            // Without the draft nothing tells whether the answer is what is published, unless the key sees no draft.
            Some(_)
                if owed.status == Status::PublishAndDraft
                    && matches!(draft, Some(Err(_)))
                    && self.sees_all_drafts().await != Some(false) =>
            {
                let reason = "its draft could not be read, so that nothing tells it from the draft";
                result.outcomes.push(self.failed(owed, reason.to_owned()));
            }
            Some(body)
                if self
                    .may_be_draft(owed, &body, draft.as_ref().and_then(found_draft))
                    .await =>
            {
                result.outcomes.push(self.failed(owed, MOVED.to_owned()));
            }
            Some(body) => result
                .outcomes
                .extend(self.held_against(owed, body, None).await),
            None if is_left_out => result.outcomes.push(self.left_out(owed)),
            None => {}
        }
        // What serves the one body of a content and refuses the other refuses that one content alone.
        if let Some(Err(err)) = draft
            && !(is_served && err.is_about_endpoint())
        {
            result.trouble.get_or_insert(err);
        }
    }

    /// The service leaves out what the key may not see.
    fn left_out(&self, owed: &OwedBody) -> BodyOutcome {
        match owed.status {
            Status::Closed => self.refused(owed, CLOSED),
            Status::Other(_) => self.refused(
                owed,
                "the Content API shows no published body for its status",
            ),
            Status::Publish | Status::PublishAndDraft | Status::Draft => self.failed(
                owed,
                "the Content API left it out although the listing calls it published".to_owned(),
            ),
        }
    }

    async fn draft_text(&self, owed: &OwedBody) -> Result<Option<FoundBody>, RemoteError> {
        match &owed.draft_key {
            Some(key) => {
                self.run
                    .rooms
                    .remote
                    .draft(self.endpoint, self.kind, &owed.id, key)
                    .await
            }
            None => Ok(None),
        }
    }

    async fn draft(
        &self,
        owed: &OwedBody,
        found: Option<&FoundBody>,
        published: Option<&FoundBody>,
    ) -> Vec<BodyOutcome> {
        let why = match found {
            Some(found) => return self.held_against(owed, found.clone(), published).await,
            None if owed.draft_key.is_none() => "the service lists no draft key for it",
            None => "the Content API shows no draft for its draft key",
        };
        vec![self.failed(owed, why.to_owned())]
    }

    /// Takes what is served, unless it is of before the listing moved, or a draft that may be what is `published`.
    async fn held_against(
        &self,
        owed: &OwedBody,
        body: FoundBody,
        published: Option<&FoundBody>,
    ) -> Vec<BodyOutcome> {
        let age = stale::age(owed, &body);
        if self.is_stale(age, owed, &body).await {
            return vec![self.failed(owed, STALE.to_owned())];
        }
        let doubted = self.age_of_doubted_draft(owed, &body, published).await;
        if doubted == Some(Age::Old) {
            return vec![self.failed(owed, stale::PUBLISHED.to_owned())];
        }
        let age = doubted.unwrap_or(age);
        let is_believed = matches!(age, Age::Slight | Age::Insisted);
        let is_sure = age == Age::Right && owed.attempts > 0;
        let doubted = (is_sure || is_believed).then(|| BodyOutcome::Doubted {
            endpoint: self.endpoint.clone(),
            id: owed.id.clone(),
            side: owed.side,
            look_at: (!is_sure).then(|| self.run.now().plus(stale::FIRST_LOOK)),
        });
        let mut outcomes = vec![self.saved(owed, body.text)];
        outcomes.extend(doubted);
        outcomes
    }

    /// Returns whether an answer of such an age is of before the listing moved.
    async fn is_stale(&self, age: Age, owed: &OwedBody, body: &FoundBody) -> bool {
        match age {
            Age::Right | Age::Insisted => false,
            Age::Old => true,
            Age::Doubtful | Age::Slight => {
                let (endpoint, id, side) = (self.endpoint.clone(), owed.id.clone(), owed.side);
                let had = self
                    .run
                    .store(move |store| store.had_body(&endpoint, &id, side))
                    .await;
                // A database that does not answer will not record the body either.
                let had = had.ok().flatten();
                had.is_some_and(|had| {
                    if age == Age::Slight {
                        stale::was_in_step(&had)
                    } else {
                        stale::is_again(owed, body, &had)
                    }
                })
            }
        }
    }

    fn saved(&self, owed: &OwedBody, body: String) -> BodyOutcome {
        BodyOutcome::Saved {
            endpoint: self.endpoint.clone(),
            id: owed.id.clone(),
            side: owed.side,
            owed_at: owed.owed_at,
            body,
            digest: None,
        }
    }

    /// Marks bodies that were not asked for.
    pub(super) fn all_refused(&self, owed: &[OwedBody], reason: &str) -> Vec<BodyOutcome> {
        owed.iter().map(|owed| self.refused(owed, reason)).collect()
    }

    fn refused(&self, owed: &OwedBody, reason: &str) -> BodyOutcome {
        BodyOutcome::Refused {
            endpoint: self.endpoint.clone(),
            id: owed.id.clone(),
            side: owed.side,
            owed_at: owed.owed_at,
            reason: reason.to_owned(),
        }
    }

    /// What an error means for one body: refused to the key, or to be asked for again.
    fn not_had(&self, owed: &OwedBody, err: &RemoteError) -> BodyOutcome {
        if err.is_about_endpoint() {
            self.refused(owed, &err.chain())
        } else {
            self.failed(owed, err.chain())
        }
    }

    fn failed(&self, owed: &OwedBody, reason: String) -> BodyOutcome {
        BodyOutcome::Failed {
            endpoint: self.endpoint.clone(),
            id: owed.id.clone(),
            side: owed.side,
            owed_at: owed.owed_at,
            reason,
        }
    }
}

fn found_draft(answer: &Result<Option<FoundBody>, RemoteError>) -> Option<&FoundBody> {
    answer.as_ref().ok()?.as_ref()
}
