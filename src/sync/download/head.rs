//! What is known of a file before its bytes are asked for: by HEAD, whether it is the saved one, and how long it is; and
//! whether the month's budget and the disk have room for it.

use super::Download;
use super::ask::Session;
use super::unsaved::Unsaved;
use crate::model::AssetUrl;
use crate::plan::{Lesson, may_try};
use crate::remote::{AssetHead, RemoteError};
use crate::sync::quota::Reserved;

impl Download {
    /// Asks by HEAD whether the saved file still is the host's.
    pub(super) async fn is_same_by_head(
        &self,
        url: &AssetUrl,
        host: &str,
        session: &mut Session,
    ) -> Result<bool, Unsaved> {
        let Some(head) = self.head(url, host).await? else {
            return Ok(false);
        };
        let row = &self.owed.row;
        let is_same_length = head.length.is_some() && head.length == row.bytes;
        let trusts_etags = may_try(self.shared.hosts.traits(host).etag);
        let is_same_etag = match (&row.etag, &head.etag) {
            (Some(saved), Some(told)) if trusts_etags => saved == told,
            (Some(_) | None, _) => true,
        };
        session.head = Some(head);
        Ok(is_same_length && is_same_etag)
    }

    /// Sets room in the budget aside for a file whose length is known, or told by HEAD where so little of the budget or of the
    /// disk is left that it may not fit: of many that are asked for at once each may fit alone. Returns its length if the
    /// budget is too small for it.
    ///
    /// # Errors
    /// Also where the disk is, and where nothing tells the length and too many were begun in vain.
    pub(super) async fn does_not_fit(
        &self,
        url: &AssetUrl,
        host: &str,
        session: &mut Session,
    ) -> Result<Option<u64>, Unsaved> {
        let is_tight =
            self.shared.quota.is_tight(self.shared.clock.now()) || self.shared.room.is_tight();
        let told = session.head.as_ref().and_then(|head| head.length);
        let mut length = self.owed.row.announced_bytes.or(told);
        let is_unknown = length.is_none() && session.head.is_none();
        if is_unknown && is_tight && may_try(self.shared.hosts.traits(host).head) {
            session.head = self.head(url, host).await?;
            length = session.head.as_ref().and_then(|head| head.length);
            if let Some(length) = length {
                self.shared.room.fits(length).await?;
            }
        }
        if length.is_none() && self.shared.quota.is_wary() {
            return Err(Unsaved::OverBudget { announced: None });
        }
        let Some(length) = length.filter(|_| session.promised.is_none()) else {
            return Ok(None);
        };
        session.promised = self.reserve(length);
        Ok(session.promised.is_none().then_some(length))
    }

    /// Sets bytes of the month's budget aside. `None`: it has no room for them.
    pub(super) fn reserve(&self, bytes: u64) -> Option<Reserved> {
        self.shared.quota.reserve(bytes, self.shared.clock.now())
    }

    /// `None`: the host does not tell.
    async fn head(&self, url: &AssetUrl, host: &str) -> Result<Option<AssetHead>, Unsaved> {
        match self.shared.remote.assets().head(url).await {
            Ok(head) => {
                self.shared.hosts.learn(host, &Lesson::HeadAnswered);
                Ok(Some(head))
            }
            // A host that takes the method and has not got the file says so to GET, too.
            Err(RemoteError::Refused { status, .. }) => {
                if matches!(status, 400 | 405 | 501) {
                    self.shared.hosts.learn(host, &Lesson::HeadRefused);
                }
                Ok(None)
            }
            Err(err) => Err(err.into()),
        }
    }
}
