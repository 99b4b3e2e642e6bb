//! The section `[notify]`: who is told of runs. The URLs are secrets, for they hold tokens: whoever has
//! one can speak in this program's name. No text here repeats one.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::key;
use super::problem::Place;
use super::raw::Raw;
use super::sources::Sources;
use super::values;

/// Who is told of runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notify {
    /// Pinged when a run begins and when it ends, as healthchecks.io wants it.
    pub heartbeat: Option<SecretUrl>,
    /// Gets one JSON document when a run ends.
    pub webhook: Option<SecretUrl>,
    /// Which runs the webhook hears of.
    pub webhook_on: WebhookOn,
}

/// Which runs a webhook hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookOn {
    /// Those that do not exit with 0.
    Failure,
    /// All.
    Always,
    /// Those that end otherwise than the one before.
    #[default]
    Change,
}

/// A URL that could be sent to: `https`, or `http` to this machine. Its `Debug` form is redacted.
#[derive(Debug, Clone)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// Returns the URL itself.
    pub fn secret(&self) -> &SecretString {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Err("is empty; write a URL".to_owned());
        }
        let url = Url::parse(text).map_err(|err| format!("is not a URL: {err}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user name or password".to_owned());
        }
        match url.scheme() {
            "https" => {}
            "http" if values::is_loopback(&url) => {}
            _ => {
                return Err(
                    "must begin with `https://`; `http` is for this machine only".to_owned(),
                );
            }
        }
        if url.fragment().is_some() {
            return Err("must not hold a `#`: what follows it is never sent".to_owned());
        }
        Ok(Self(SecretString::from(text)))
    }
}

// The library compares no secrets. This is a configuration held against another one, not a guess
// of somebody else's held against a secret.
impl PartialEq for SecretUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for SecretUrl {}

/// One URL: its key, the key of its file, its systemd credential, and what people call it.
struct Names {
    key: &'static str,
    file_key: &'static str,
    credential: &'static str,
}

const HEARTBEAT: Names = Names {
    key: "notify.heartbeat",
    file_key: "notify.heartbeat_file",
    credential: "heartbeat",
};
const WEBHOOK: Names = Names {
    key: "notify.webhook",
    file_key: "notify.webhook_file",
    credential: "webhook",
};

/// Checks the section as it is written. Opens nothing: commands that tell nobody need not be able to
/// read the secrets.
pub(crate) fn notify(raw: &mut Raw) -> Notify {
    let mut url = |key| raw.parsed(key, None, |text| SecretUrl::parse(text).map(Some));
    let heartbeat = url(HEARTBEAT.key);
    let webhook = url(WEBHOOK.key);
    for key in [HEARTBEAT.file_key, WEBHOOK.file_key] {
        drop(path(raw, key));
    }
    let webhook_on = raw.parsed(
        "notify.webhook_on",
        WebhookOn::default(),
        |text| match text.trim() {
            "failure" => Ok(WebhookOn::Failure),
            "always" => Ok(WebhookOn::Always),
            "change" => Ok(WebhookOn::Change),
            other => Err(format!(
                "`{other}` is none of `failure`, `always` and `change`"
            )),
        },
    );
    Notify {
        heartbeat,
        webhook,
        webhook_on,
    }
}

/// Reads what stands in files and credentials, where it does not stand in the configuration itself.
pub(crate) fn find_secrets(notify: &mut Notify, raw: &mut Raw, sources: &Sources) {
    for (names, url) in [
        (&HEARTBEAT, &mut notify.heartbeat),
        (&WEBHOOK, &mut notify.webhook),
    ] {
        if url.is_some() {
            warn_if_the_file_shows_it(raw, names);
        } else {
            *url = from_file(names, raw, sources);
        }
    }
}

fn from_file(names: &Names, raw: &mut Raw, sources: &Sources) -> Option<SecretUrl> {
    let read = |path: &Path| key::read(path, "the URL").and_then(|text| SecretUrl::parse(&text));
    // What is wrong with the key itself was said when the section was checked.
    let is_known_wrong = |raw: &Raw, key| raw.problems.iter().any(|problem| problem.key == key);
    if raw.place(names.file_key) != Place::Nowhere {
        if is_known_wrong(raw, names.file_key) {
            return None;
        }
        let path = path(raw, names.file_key)?;
        return match read(&path) {
            Ok(url) => {
                key::warn_if_others_read(raw, &path, names.file_key);
                Some(url)
            }
            Err(text) => {
                let text = format!("file `{}` {text}", path.display());
                raw.wrong(names.file_key, text, raw.place(names.file_key));
                None
            }
        };
    }
    let folder = sources.env.get("CREDENTIALS_DIRECTORY")?;
    let path = Path::new(folder).join(names.credential);
    if is_known_wrong(raw, names.key) || !path.exists() {
        return None;
    }
    match read(&path) {
        Ok(url) => Some(url),
        Err(text) => {
            let text = format!("systemd credential `{}` {text}", path.display());
            raw.wrong(names.key, text, Place::Nowhere);
            None
        }
    }
}

/// Takes a path. A URL in its place is not repeated.
fn path(raw: &mut Raw, key: &'static str) -> Option<PathBuf> {
    raw.parsed(key, None, |text| match text.trim() {
        "" => Err("is empty; write a path".to_owned()),
        text if text.contains("://") => {
            Err("holds what looks like the URL itself; write it to a file and name that".to_owned())
        }
        text if text.contains('\0') => Err("holds a NUL character".to_owned()),
        text => Ok(Some(PathBuf::from(text))),
    })
}

/// The configuration file is mostly readable by all, for it holds no other secret.
fn warn_if_the_file_shows_it(raw: &mut Raw, names: &Names) {
    if let (Place::File(_), Some(path)) = (raw.place(names.key), raw.file.clone()) {
        let what = format!("URL of `{}` and its", names.key);
        key::warn_if_others_read(raw, &path, &what);
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::tests::refuses;
    use super::*;

    #[test]
    fn a_url_is_https_or_loopback_and_is_never_repeated() {
        for good in [
            "https://hc-ping.com/5c7f-token",
            " https://hc-ping.com/key/slug?create=1\n",
            "http://127.0.0.1:8000/ping/5c7f-token",
        ] {
            assert!(SecretUrl::parse(good).is_ok(), "{good}");
        }
        let cases = [
            ("", "is empty"),
            ("hc-ping.com/5c7f-token", "is not a URL"),
            (
                "http://hc-ping.com/5c7f-token",
                "must begin with `https://`",
            ),
            ("file:///5c7f-token", "must begin with `https://`"),
            ("https://me:5c7f-token@example.com/", "user name"),
            ("https://example.com/#5c7f-token", "`#`"),
        ];
        refuses(SecretUrl::parse, &cases);
        for (text, _) in cases {
            let error = SecretUrl::parse(text).expect_err(text);
            assert!(!error.contains("5c7f-token"), "{error}");
        }
        let url = SecretUrl::parse("https://hc-ping.com/5c7f-token").expect("a URL");
        assert!(!format!("{url:?}").contains("5c7f-token"));
    }
}
