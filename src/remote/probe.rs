//! Small questions that tell what the key may do and whether the hosts are there: what `doctor` asks.
//!
//! Each is the cheapest request that needs the right in question, asked for at most twice.

use super::api::Ask;
use super::client;
use super::error::{Refusal, RemoteError};
use super::service::Remote;
use super::wire::{self, ContentsAnswer, ContentsItem};
use crate::model::{ContentId, Endpoint, EndpointKind, ServedContent, Timestamp};
use std::time::Duration;

const TRIES: u32 = 2;
/// A person is waiting.
const TIMEOUT: Duration = Duration::from_secs(15);

impl Remote {
    /// Returns the service's name for people. Needs サービス情報の取得.
    ///
    /// # Errors
    /// A refusal means that the key has not the right, or is not this service's.
    pub async fn service_name(&self) -> Result<String, RemoteError> {
        let ask = ask("api/v1/service", "the service's name");
        self.management
            .get_read(&ask, TRIES, wire::service_name)
            .await
    }

    /// Returns how many media there are. Needs メディアの取得.
    ///
    /// # Errors
    /// As [`Self::service_name`].
    pub async fn count_media(&self) -> Result<u64, RemoteError> {
        let ask = ask("api/v2/media?limit=1", "the number of media");
        let answer = self.management.get_read(&ask, TRIES, |body| {
            let list = wire::media_list(body)?;
            list.total_count.ok_or_else(|| wire::NO_TOTAL.to_owned())
        });
        match answer.await {
            Ok(total) => Ok(total),
            // A service without media may say so in this way (microcms-facts 1.3).
            Err(err) if err.refusal() == Some(Refusal::NotFound) && !err.is_wrong_address() => {
                Ok(0)
            }
            Err(err) => Err(err),
        }
    }

    /// Returns the first contents of one API, at most 100. Needs コンテンツの取得 (一覧・詳細).
    ///
    /// # Errors
    /// As [`Self::service_name`].
    pub async fn first_contents(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Vec<ServedContent>, RemoteError> {
        let ask = ask(
            &format!("api/v1/contents/{endpoint}?limit=100"),
            &format!("the first contents of `{endpoint}`"),
        );
        let answer = self.management.get_read(&ask, TRIES, |body| {
            wire::contents_list(body, endpoint.as_str(), None)
        });
        match answer.await {
            Ok(ContentsAnswer::Page { contents, .. }) => {
                let usable = contents.into_iter().filter_map(|item| match item {
                    ContentsItem::Content(content) => Some(content),
                    ContentsItem::Odd(_) => None,
                });
                Ok(usable.collect())
            }
            Ok(ContentsAnswer::Object(content)) => Ok(vec![content]),
            Err(err) if err.refusal() == Some(Refusal::NotFound) && !err.is_wrong_address() => {
                Ok(Vec::new())
            }
            Err(err) => Err(err),
        }
    }

    /// Asks whether the key may GET one API's bodies, without asking for one.
    ///
    /// # Errors
    /// [`RemoteError::is_about_endpoint`] where the key may not.
    pub async fn may_read(
        &self,
        endpoint: &Endpoint,
        kind: EndpointKind,
    ) -> Result<(), RemoteError> {
        let query = match kind {
            EndpointKind::List => "limit=0&fields=id",
            EndpointKind::Object => "fields=createdAt",
        };
        let ask = ask(
            &format!("api/v1/{endpoint}?depth=0&{query}"),
            &format!("the bodies of `{endpoint}`"),
        );
        match self.content.get_read(&ask, TRIES, |_| Ok(())).await {
            // An object API that is not published has nothing to show.
            Err(err) if err.refusal() == Some(Refusal::NotFound) => Ok(()),
            answer => answer,
        }
    }

    /// Asks the Content API whether an object API has a content that is published.
    ///
    /// # Errors
    /// After retries, and where the key may not read it.
    pub async fn has_object(&self, endpoint: &Endpoint) -> Result<bool, RemoteError> {
        let ask = ask(
            &format!("api/v1/{endpoint}?depth=0&fields=createdAt"),
            &format!("whether `{endpoint}` has a content"),
        );
        match self.content.get_read(&ask, TRIES, |_| Ok(())).await {
            Ok(()) => Ok(true),
            Err(err) if err.refusal() == Some(Refusal::NotFound) => Ok(false),
            Err(err) => Err(err),
        }
    }

    /// Asks whether the key sees one content of a list API in the Content API, without its draft key.
    ///
    /// # Errors
    /// After retries.
    pub async fn sees(&self, endpoint: &Endpoint, id: &ContentId) -> Result<bool, RemoteError> {
        let ask = ask(
            &format!("api/v1/{endpoint}?depth=0&fields=id&limit=1&ids={id}"),
            &format!("whether the key sees `{id}` in `{endpoint}`"),
        );
        let found = self.content.get_read(&ask, TRIES, wire::body_list).await?;
        Ok(found
            .iter()
            .any(|body| body.id.as_deref() == Some(id.as_str())))
    }

    /// Returns what the service's clock shows, as far as one of its answers told.
    pub fn server_now(&self) -> Option<Timestamp> {
        // The Management API is not behind a CDN: its answers are never old ones.
        self.management
            .server_now()
            .or_else(|| self.content.server_now())
    }

    /// Returns the hosts of the Management API and of the Content API.
    pub fn api_hosts(&self) -> [String; 2] {
        [self.management.host(), self.content.host()]
    }
}

/// Asks a host for the head of its first page, without the key. Whatever it answers, it is there, and
/// its certificate is trusted. `is_plain`: over `http`, which is for this machine alone.
///
/// # Errors
/// [`RemoteError::Unreachable`], [`RemoteError::Untrusted`] and their like.
pub async fn reach(
    host: &str,
    is_plain: bool,
    connect_timeout: Duration,
) -> Result<u16, RemoteError> {
    let client = client::builder_for(is_plain)
        .connect_timeout(connect_timeout)
        .timeout(TIMEOUT)
        .build()
        .map_err(RemoteError::Setup)?;
    let scheme = if is_plain { "http" } else { "https" };
    let what = "a sign of life".to_owned();
    let answer = client.head(format!("{scheme}://{host}/")).send().await;
    match answer {
        Ok(answer) => Ok(answer.status().as_u16()),
        Err(err) if err.is_connect() => {
            Err(RemoteError::from_connect(host, &what, err.without_url()))
        }
        Err(err) => Err(RemoteError::Lost {
            what,
            source: err.without_url(),
        }),
    }
}

fn ask(target: &str, what: &str) -> Ask {
    Ask {
        target: target.to_owned(),
        what: what.to_owned(),
        timeout: TIMEOUT,
    }
}
