//! Telling somebody else: one prepared text to one URL.

use super::client;
use super::error::RemoteError;
use reqwest::header::CONTENT_TYPE;
use std::time::Duration;
use url::Url;

/// Why a notice did not get through. The text names neither the URL nor its host: both may hold a
/// token.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// It was not sent, or no answer came back.
    #[error("its host cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// No answer came in time.
    #[error("its host did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The host refused it, or sent it elsewhere.
    #[error("its host answered {0}")]
    Refused(u16),
}

impl NoticeError {
    /// Returns whether the same notice may get through a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) => true,
            Self::Refused(status) => matches!(status, 408 | 429 | 500..=599),
        }
    }
}

/// Sends notices. Its HTTP client never had the API key and follows no redirect: a notice goes where
/// the operator said, or nowhere.
#[derive(Clone, Debug)]
pub struct Notices {
    client: reqwest::Client,
    /// For this machine.
    here: reqwest::Client,
    timeout: Duration,
}

impl Notices {
    /// Sets up the client; no request is made. `timeout` is for one try, from the name's look-up to
    /// the answer.
    ///
    /// # Errors
    /// [`RemoteError::Setup`] when there is no certificate store to trust.
    pub fn new(timeout: Duration) -> Result<Self, RemoteError> {
        let build = |is_plain| {
            client::builder_for(is_plain)
                .retry(reqwest::retry::never())
                .timeout(timeout)
                // Two notices of a run are minutes or hours apart.
                .pool_max_idle_per_host(0)
                .build()
                .map_err(RemoteError::Setup)
        };
        Ok(Self {
            client: build(false)?,
            here: build(true)?,
            timeout,
        })
    }

    /// Posts `body`. What the answer says beyond its status is not read.
    ///
    /// # Errors
    /// One try: the caller decides on the next one by [`NoticeError::may_pass`].
    pub async fn post(
        &self,
        url: &Url,
        media_type: &'static str,
        body: &str,
    ) -> Result<(), NoticeError> {
        let client = match client::is_plain(url) {
            true => &self.here,
            false => &self.client,
        };
        let request = client
            .post(url.clone())
            .header(CONTENT_TYPE, media_type)
            .body(body.to_owned());
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(NoticeError::Refused(answer.status().as_u16())),
            Err(err) if err.is_timeout() => Err(NoticeError::TimedOut(self.timeout)),
            Err(err) => Err(NoticeError::Unreachable(err.without_url())),
        }
    }
}
