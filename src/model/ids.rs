//! Names that the service gives its things, parsed once at the border.

use std::fmt;

/// A name from the service that this program cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a usable {what}: {why}")]
pub struct InvalidId {
    what: &'static str,
    shown: String,
    why: &'static str,
}

fn refuse(what: &'static str, text: &str, why: &'static str) -> InvalidId {
    let shown = text.chars().take(80).flat_map(char::escape_debug).collect();
    InvalidId { what, shown, why }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Returns the name as the service writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// The endpoint of one microCMS API, such as `blog`.
    ///
    /// The service allows 3 to 32 of `a-z 0-9 - _` (microcms-facts 1.6). Older services may differ in
    /// length and case, so those are not held against a name; characters that would change the
    /// meaning of a request path are.
    Endpoint
}

impl Endpoint {
    /// Checks and wraps a name.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        const WHAT: &str = "endpoint";
        if text.is_empty() {
            return Err(refuse(WHAT, text, "it is empty"));
        }
        if text.len() > 64 {
            return Err(refuse(WHAT, text, "it is longer than 64 bytes"));
        }
        if !text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        {
            return Err(refuse(
                WHAT,
                text,
                "only letters, digits, `-` and `_` may stand in it",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

text_id! {
    /// The id of one content within its endpoint; case matters (microcms-facts 2.4).
    ContentId
}

impl ContentId {
    /// Checks and wraps an id. Documented are 1 to 50 of `a-z A-Z 0-9 - _`; anything printable of
    /// up to 256 bytes is kept, because an id that this program refused would be a content not saved.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_opaque("content id", text).map(|()| Self(text.to_owned()))
    }

    /// Returns whether the id can stand in a comma list of a query (`ids=a,b`) without ambiguity.
    pub fn is_plain(&self) -> bool {
        self.0
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    }
}

text_id! {
    /// The id of one medium: a UUID as far as the docs show (microcms-facts 1.3), opaque here.
    MediaId
}

impl MediaId {
    /// Checks and wraps an id: anything printable of up to 256 bytes.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        check_opaque("media id", text).map(|()| Self(text.to_owned()))
    }
}

fn check_opaque(what: &'static str, text: &str) -> Result<(), InvalidId> {
    if text.is_empty() {
        return Err(refuse(what, text, "it is empty"));
    }
    if text.len() > 256 {
        return Err(refuse(what, text, "it is longer than 256 bytes"));
    }
    let is_usual = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if !is_usual && text.chars().any(char::is_control) {
        return Err(refuse(what, text, "it holds a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_change_a_request_path_are_refused() {
        for bad in ["", "a/b", "..", "blog?x", "blög", "a b", &"x".repeat(65)] {
            assert!(Endpoint::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["blog", "a_b-c9", "Blog"] {
            assert_eq!(Endpoint::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn ids_stay_opaque_but_printable() {
        assert!(ContentId::parse("日本語").is_ok());
        assert!(!ContentId::parse("a,b").unwrap().is_plain());
        assert!(ContentId::parse("a\n").is_err());
        assert!(MediaId::parse(&"x".repeat(257)).is_err());
        let text = ContentId::parse("a\u{0}").unwrap_err().to_string();
        assert_eq!(
            text,
            "`a\\0` is not a usable content id: it holds a control character"
        );
    }
}
