//! What can go wrong while asking the service, and what to do about it.

use super::rights;
use std::time::Duration;

/// Why an answer could not be had. The text never holds a key, a token or a query.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The HTTP client could not be built (no certificate store, mostly).
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// No connection was opened: the request was certainly not served.
    #[error("cannot reach `{host}` for {what}")]
    Unreachable {
        /// Whom.
        host: String,
        /// What was asked.
        what: String,
        /// What lay beneath.
        #[source]
        source: reqwest::Error,
    },
    /// The host showed a certificate that this machine does not trust.
    #[error("`{host}` showed a certificate that is not trusted here")]
    Untrusted {
        /// Whom.
        host: String,
        /// What lay beneath.
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not arrive whole: the request may have been served.
    #[error("the answer about {what} was lost on the way")]
    Lost {
        /// What was asked.
        what: String,
        /// What lay beneath.
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not arrive in time: the request may have been served.
    #[error("no answer about {what} within {} s", .after.as_secs())]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// An answer with a good status that is not what it should be.
    #[error("the answer about {what} cannot be used: {why}")]
    Unreadable {
        /// What was asked.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A name that no address can stand for, or an address too long to be one: nothing was asked.
    #[error("no address can stand for {what}")]
    NoAddress {
        /// What was to be asked.
        what: String,
    },
    /// 429: the request was certainly not served.
    #[error("the {api} asked us to slow down (429) at {what}")]
    Busy {
        /// Which API, or the asset host.
        api: &'static str,
        /// What was asked.
        what: String,
        /// How long it asked us to wait, where it said.
        retry_after: Option<Duration>,
    },
    /// 5xx, 408, 425: the request may have been served.
    #[error("the {api} answered {status} at {what}")]
    Broken {
        /// Which API, or the asset host.
        api: &'static str,
        /// The status.
        status: u16,
        /// What was asked.
        what: String,
        /// How long it asked us to wait, where it said.
        retry_after: Option<Duration>,
    },
    /// A definite no.
    #[error("the {api} refused {what}: {status}{}", .message.as_deref().map(|m| format!(" `{m}`")).unwrap_or_default())]
    Refused {
        /// Which API, or the asset host.
        api: &'static str,
        /// The status.
        status: u16,
        /// The service's own words, shortened. For people: decisions do not rest on them alone.
        message: Option<String>,
        /// What was asked.
        what: String,
        /// What it means.
        refusal: Refusal,
    },
    /// A redirect where none belongs: the key does not follow.
    #[error("the {api} redirected {what} ({status}); the key does not follow redirects")]
    Redirected {
        /// Which API.
        api: &'static str,
        /// The status.
        status: u16,
        /// What was asked.
        what: String,
    },
    /// An asset host that is not on the list.
    #[error("`{host}` is not among the allowed asset hosts")]
    HostNotAllowed {
        /// Host, with the port where it is not the scheme's own.
        host: String,
    },
    /// An asset's redirects do not end, or lead to something that is no URL.
    #[error("{what} is redirected {why}")]
    RedirectLoop {
        /// What was asked.
        what: String,
        /// In which way it fails.
        why: String,
    },
}

const NO_ROOTS: &str = "install the system's CA certificates (package `ca-certificates`), or point SSL_CERT_FILE at a bundle; \
     where SSL_CERT_FILE or SSL_CERT_DIR is set, nothing but what it names is trusted, so that must exist";

/// Says what a person can do about a certificate that no further CA certificate would make good, by the TLS library's
/// words; another wording only costs the better hint.
fn distrust(words: &str) -> Option<&'static str> {
    let says = |text| words.contains(text);
    if says("certificate expired") || says("certificate not valid yet") {
        Some(
            "compare this machine's clock; if it is right, the host's owner has to renew the certificate",
        )
    } else if says("certificate not valid for name") {
        Some(
            "another machine answers under this name: check DNS and any proxy, or tell the host's owner",
        )
    } else {
        None
    }
}

/// What a definite no means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong key, or no permission (the Management API does not tell them apart).
    Forbidden,
    /// The same status from something in front of the service, such as a firewall: its page is not the
    /// service's word, and it may let the next request through (microcms-facts 3.1).
    Gate,
    /// The key may not read this endpoint.
    EndpointForbidden,
    /// An IP restriction.
    Ip,
    /// The plan's quota stopped the service.
    Stopped,
    /// There is no such thing, or the key may not know of it.
    NotFound,
    /// The answer would be over 5 MB, or the URL over 8 KB.
    TooLarge,
    /// Anything else.
    Other,
}

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The request was not served: the same request may be sent again.
    Retry {
        /// Not before this, where the service said so.
        after: Option<Duration>,
    },
    /// The request may have been served: an idempotent one may be sent again, a page token is in doubt.
    RetryIfIdempotent {
        /// Not before this, where the service said so.
        after: Option<Duration>,
    },
    /// A person has to change something: key, permission, IP rule, plan, configuration.
    AskOperator,
    /// This one thing cannot be had; the others can.
    SkipItem,
}

impl RemoteError {
    /// Says what the caller should do. Every variant is spelled out so that a new one cannot
    /// inherit a remedy by accident.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unreachable { .. } => Remedy::Retry { after: None },
            Self::Busy { retry_after, .. } => Remedy::Retry {
                after: *retry_after,
            },
            Self::Broken { retry_after, .. } => Remedy::RetryIfIdempotent {
                after: *retry_after,
            },
            Self::Lost { .. } | Self::TimedOut { .. } | Self::Unreadable { .. } => {
                Remedy::RetryIfIdempotent { after: None }
            }
            Self::Setup(_) | Self::Untrusted { .. } | Self::Redirected { .. } => {
                Remedy::AskOperator
            }
            Self::Refused { refusal, .. } => match refusal {
                Refusal::Forbidden
                | Refusal::EndpointForbidden
                | Refusal::Ip
                | Refusal::Stopped => Remedy::AskOperator,
                Refusal::Gate => Remedy::RetryIfIdempotent { after: None },
                Refusal::NotFound | Refusal::TooLarge | Refusal::Other => Remedy::SkipItem,
            },
            Self::NoAddress { .. } | Self::HostNotAllowed { .. } | Self::RedirectLoop { .. } => {
                Remedy::SkipItem
            }
        }
    }

    /// Returns what a definite no means, if this is one.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused { refusal, .. } => Some(*refusal),
            Self::Setup(_)
            | Self::Untrusted { .. }
            | Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Unreadable { .. }
            | Self::Busy { .. }
            | Self::Broken { .. }
            | Self::Redirected { .. }
            | Self::NoAddress { .. }
            | Self::HostNotAllowed { .. }
            | Self::RedirectLoop { .. } => None,
        }
    }

    /// Returns whether another question about the same thing may be answered: this one was refused, or answered as no
    /// such question is. An absence is one whatever the question, and so is a pause.
    pub fn may_be_the_questions(&self) -> bool {
        match self {
            Self::Refused { refusal, .. } => *refusal != Refusal::NotFound,
            Self::Broken {
                status,
                retry_after,
                ..
            } => *status != 503 && retry_after.is_none(),
            Self::Unreadable { .. } | Self::NoAddress { .. } => true,
            Self::Setup(_)
            | Self::Untrusted { .. }
            | Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::Redirected { .. }
            | Self::HostNotAllowed { .. }
            | Self::RedirectLoop { .. } => false,
        }
    }

    /// Returns the wait that the service asked for, where it did.
    pub fn asked_wait(&self) -> Option<Duration> {
        match self.remedy() {
            Remedy::Retry { after } | Remedy::RetryIfIdempotent { after } => after,
            Remedy::AskOperator | Remedy::SkipItem => None,
        }
    }

    /// Returns whether the service asked for a wait that no run sits out.
    pub fn is_beyond_patience(&self) -> bool {
        self.asked_wait()
            .is_some_and(|after| after > super::retry::PATIENCE)
    }

    /// Returns whether the key, or this machine's address, may not read one API. Both can be set per
    /// API (microcms-facts 8.22): the others may be readable.
    pub fn is_about_endpoint(&self) -> bool {
        matches!(
            self.refusal(),
            Some(Refusal::EndpointForbidden | Refusal::Ip)
        )
    }

    /// Returns whether the service itself said that there is no such thing. Its 404 has a JSON body or
    /// none (microcms-facts 6); a gateway's page proves nothing, and a deletion must be proven. The
    /// words do not decide: they may change without notice.
    pub fn is_proof_of_absence(&self) -> bool {
        self.refusal() == Some(Refusal::NotFound)
    }

    /// Returns whether the answer is the Management API's one to an address it does not have, where
    /// a 404 of other words would mean something (microcms-facts 6).
    pub(crate) fn is_wrong_address(&self) -> bool {
        matches!(
            self,
            Self::Refused { status: 404, message, .. }
                if message.as_deref().is_none_or(|text| text.trim().eq_ignore_ascii_case("not found"))
        )
    }

    /// Returns whether the operator's key, permission, IP rule or plan is in the way.
    pub fn needs_operator(&self) -> bool {
        self.remedy() == Remedy::AskOperator
    }

    /// Says what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Untrusted { source, .. } => {
                distrust(&crate::model::chain(source)).unwrap_or(NO_ROOTS)
            }
            Self::Setup(_) => NO_ROOTS,
            Self::Unreachable { .. } => {
                "check the service id, the network, DNS and any proxy (HTTPS_PROXY, NO_PROXY)"
            }
            Self::Refused {
                refusal: Refusal::Forbidden,
                ..
            } => {
                return Some(format!(
                    "the key is another service's, or lacks a right (admin screen: {}); {}",
                    rights::PLACE,
                    rights::TRY_EACH
                ));
            }
            Self::Refused {
                refusal: Refusal::Gate,
                ..
            } => {
                "that was no answer of the service's own: ask who runs the firewall or proxy in between, and \
                 check the key"
            }
            Self::Refused {
                refusal: Refusal::EndpointForbidden,
                ..
            } => {
                "give the key the right GET for this API (admin screen: ○個のAPIキー (API keys) > the key > デフォルト権限 or \
                 個別権限 (default or per-API permissions)); `microcms-backup doctor` tries each"
            }
            Self::Refused {
                refusal: Refusal::Ip,
                ..
            } => "the service restricts IP addresses: add this machine's address to its list",
            Self::Refused {
                refusal: Refusal::Stopped,
                ..
            } => {
                "the plan's transfer quota stopped the service: upgrade the plan or wait for the next month"
            }
            Self::HostNotAllowed { .. } => {
                "if the service uses a custom domain or its own bucket, add that host to assets.hosts"
            }
            Self::Busy {
                retry_after: Some(after),
                ..
            }
            | Self::Broken {
                retry_after: Some(after),
                ..
            } if self.is_beyond_patience() => {
                let seconds = after.as_secs();
                return Some(format!(
                    "it asked for a wait of {seconds} s: a run after that goes on where this one stopped"
                ));
            }
            Self::Redirected { .. } => {
                "check service.management_url and service.content_url, and any proxy"
            }
            Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Unreadable { .. }
            | Self::Busy { .. }
            | Self::Broken { .. }
            | Self::Refused { .. }
            | Self::NoAddress { .. }
            | Self::RedirectLoop { .. } => return None,
        };
        Some(text.to_owned())
    }

    /// Sorts a failure to send a request.
    pub(crate) fn from_send(host: &str, what: &str, source: reqwest::Error) -> Self {
        if source.is_connect() {
            return Self::from_connect(host, what, source);
        }
        let what = what.to_owned();
        if source.is_builder() {
            Self::NoAddress { what }
        } else {
            Self::Lost { what, source }
        }
    }

    /// Sorts a failure to open a connection: one that no retry can mend from the others.
    pub(crate) fn from_connect(host: &str, what: &str, source: reqwest::Error) -> Self {
        // The TLS library's error is not among this crate's dependencies; its text is its own
        // documented wording, and a change of it would only cost the better hint.
        let is_untrusted = crate::model::causes(&source)
            .iter()
            .any(|cause| cause.to_string().contains("invalid peer certificate"));
        let (host, what) = (host.to_owned(), what.to_owned());
        if is_untrusted {
            Self::Untrusted { host, source }
        } else {
            Self::Unreachable { host, what, source }
        }
    }

    /// Returns the whole chain of causes as one line.
    pub fn chain(&self) -> String {
        crate::model::chain(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_gets_the_hint_that_helps() {
        for (words, hint) in [
            (
                "invalid peer certificate: certificate expired: verification time 9 (UNIX), but",
                Some("clock"),
            ),
            (
                "invalid peer certificate: certificate not valid yet: verification time 1 (UNIX)",
                Some("clock"),
            ),
            (
                "invalid peer certificate: certificate not valid for name \"a.example\"; certificate is only",
                Some("DNS"),
            ),
            ("invalid peer certificate: UnknownIssuer", None),
        ] {
            let found = distrust(words);
            assert_eq!(found.is_some(), hint.is_some(), "{words}");
            assert!(found.unwrap_or_default().contains(hint.unwrap_or_default()));
        }
    }
}
