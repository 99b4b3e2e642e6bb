//! The URL of a file to fetch, checked once.

use std::fmt;

use url::{Host, Url};

use super::{PathError, RelPath, file_name, folder_of, parsed, safe_path, shown};

/// An absolute URL that a file may be fetched from: `https`, or `http` to this machine, without user name and password.
///
/// Keeps the text as the service listed it: the path in the mirror follows from that text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssetUrl {
    text: String,
    url: Url,
    /// The host's folder in the mirror.
    folder: String,
}

/// Why a URL is not fetched from.
#[derive(Debug, thiserror::Error)]
pub enum AssetUrlError {
    /// The text is no http(s) URL whose host can be a folder.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Bytes over plain `http` could be anybody's.
    #[error("`{url}` is not encrypted (http is accepted for loopback addresses only)")]
    NotEncrypted {
        /// The URL, made printable, without its query.
        url: String,
    },
    /// The URL carries a user name or a password, which asset hosts never ask for.
    #[error("`{host}` was listed with a user name or password in its URL")]
    Credentials {
        /// The URL's host.
        host: String,
    },
}

impl AssetUrl {
    /// Checks a URL as the service listed it.
    ///
    /// # Errors
    /// When the text is not an absolute http(s) URL, carries credentials, or is `http` to another machine.
    pub fn parse(text: &str) -> Result<Self, AssetUrlError> {
        let url = parsed(text)?;
        let folder = folder_of(&url, text)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AssetUrlError::Credentials {
                host: url.host_str().unwrap_or_default().to_owned(),
            });
        }
        if url.scheme() != "https" && !is_loopback(&url) {
            return Err(AssetUrlError::NotEncrypted { url: shown(text) });
        }
        Ok(Self {
            text: text.to_owned(),
            url,
            folder,
        })
    }

    /// Returns the text as the service listed it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the URL to ask for.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns what the allow-list of asset hosts holds: the lowercase host, `:port` appended when it is not the
    /// scheme's default.
    pub fn host_key(&self) -> String {
        let host = self.url.host_str().unwrap_or_default().to_lowercase();
        match self.url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// Returns whether both URLs name the same path and query, at whichever hosts.
    pub fn is_same_but_host(&self, other: &Self) -> bool {
        self.url.path() == other.url.path() && self.url.query() == other.url.query()
    }

    /// Returns the path in the mirror; see [`RelPath::for_url`].
    pub fn rel_path(&self) -> RelPath {
        RelPath::below(&self.folder, &self.text)
    }

    /// Returns the safe path of a medium, also beside another medium with the same URL: that of
    /// [`RelPath::fallback`] for the URL with the medium's id as its fragment.
    pub fn safe_path(&self, media_id: &str) -> RelPath {
        safe_path(&self.folder, &format!("{}#{media_id}", self.text))
    }

    /// Returns the file name that people know the medium by; see [`file_name`].
    pub fn file_name(&self) -> String {
        file_name(&self.text)
    }
}

impl fmt::Display for AssetUrl {
    /// Writes the URL without its query, which must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.text))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
