//! Texts to values. Pure; each error says what would be right.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use url::{Host, Url};

use crate::model::Endpoint;

const A_DURATION: &str = "a number and a unit, such as `30s`, `15m`, `12h` or `30d`";

/// Parses a service id: a DNS label, since it is the first part of two host names.
pub(crate) fn service_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is empty; it is the first part of your `….microcms.io` address".to_owned());
    }
    if let Some(id) = id_within_address(text) {
        return Err(format!("`{text}` is an address; write only `{id}`"));
    }
    let is_label = text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_label {
        return Ok(text.to_owned());
    }
    let remedy = "a service id has lower-case letters, digits and inner hyphens, at most 63; it is \
                  the first part of your `….microcms.io` address";
    Err(format!("`{text}` is not a service id; {remedy}"))
}

/// The service id inside a pasted URL or host name.
fn id_within_address(text: &str) -> Option<String> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next()?.to_lowercase();
    let id = host
        .strip_suffix(".microcms.io")
        .or_else(|| host.strip_suffix(".microcms-management.io"))?;
    service_id(id).ok()
}

/// Parses an endpoint.
pub(crate) fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text).map_err(|err| err.to_string())
}

/// Parses the base address of an API: scheme and host, nothing else. Plain `http` carries the API
/// key in the clear, so it is accepted to a loopback address only.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).map_err(|err| format!("`{text}` is not a URL: {err}"))?;
    // Not repeated: whoever writes a password here did not mean to print it.
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password".to_owned());
    }
    if url.host().is_none() {
        return Err(format!("`{text}` names no host; write `https://HOST`"));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            let why =
                "`http` would send the API key in the clear and is for loopback addresses only";
            return Err(format!("`{text}` is not `https`; {why}"));
        }
        _ => return Err(format!("`{text}` is neither `https` nor `http`")),
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(format!(
            "`{text}` must be a scheme and a host only, such as `{}`",
            url.origin().ascii_serialization()
        ));
    }
    Ok(url)
}

/// Whether the URL's host is this machine: `localhost`, `127.0.0.0/8` or `::1`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// Parses `host` or `host:port` to the form in which URLs are compared: lower case, names of
/// other scripts in their ASCII form, the port only where it is not the scheme's own.
pub(crate) fn asset_host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let bad = |why: &str| Err(format!("`{text}` is not a host; {why}"));
    if text.contains("://") {
        return bad("leave out the scheme and the path");
    }
    if text.is_empty()
        || text.contains(['/', '?', '#', '@', '\\', '*'])
        || text.contains(char::is_whitespace)
    {
        return bad("write a host name, or host and port, such as `images.example.com`");
    }
    match Url::parse(&format!("https://{text}/")) {
        Ok(url) => {
            let host = url.host_str().unwrap_or_default();
            // `https` is the rule, so the parser drops `:443`; this machine is reached by `http`.
            let port = url.port().filter(|port| *port != 80 || !is_loopback(&url));
            Ok(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
        }
        Err(err) => bad(&err.to_string()),
    }
}

/// Parses an IP address with a port, or `off`. A name is refused: which of its addresses would be meant,
/// and what if it moves?
pub(crate) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, String> {
    let text = text.trim();
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_why| {
        format!(
            "`{text}` is not an address; write `off`, or an IP address and a port, such as \
             `127.0.0.1:9464` or `[::1]:9464`"
        )
    })
}

/// Parses the path of a file for node_exporter.
pub(crate) fn prom_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_read = path.extension().is_some_and(|end| end == "prom") && !text.contains('\0');
    is_read.then_some(path).ok_or_else(|| {
        format!("`{text}` is no file that node_exporter reads; their names end in `.prom`")
    })
}

/// Parses the mode of new files or folders, octal as for `chmod`. The owner needs `least`; nobody
/// else may write, or the backup would be anybody's to change.
pub(crate) fn mode(text: &str, least: u32) -> Result<u32, String> {
    let text = text.trim();
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let parsed = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| is_octal && *mode <= 0o777);
    let Some(mode) = parsed else {
        return Err(format!(
            "`{text}` is not a mode; write it as for `chmod`, such as `0{least:o}`"
        ));
    };
    if mode & least != least {
        return Err(format!(
            "`{text}` keeps this program out; the least is `0{least:o}`"
        ));
    }
    if mode & 0o002 != 0 {
        return Err(format!("`{text}` lets everybody write"));
    }
    Ok(mode)
}

/// Parses a duration such as `30s` or `30d` within `range`.
pub(crate) fn duration(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text.trim())
        .map_err(|_why| format!("`{text}` is not a duration; write {A_DURATION}"))?;
    if range.contains(&parsed) {
        return Ok(parsed);
    }
    let (least, most) = (
        humantime::format_duration(*range.start()),
        humantime::format_duration(*range.end()),
    );
    Err(format!("`{text}` is out of range ({least} to {most})"))
}

/// Parses how old something may be. Nobody needs the upper bound; the clock's arithmetic does.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(3_650 * 24 * 60 * 60);
    let parsed = humantime::parse_duration(text.trim())
        .map_err(|_why| format!("`{text}` is not a duration; write {A_DURATION}"))?;
    if parsed < Duration::from_secs(1) {
        Err(format!("`{text}` is too short; it is at least 1s"))
    } else if parsed > LONGEST {
        Err(format!("`{text}` is too long; it is 10 years at most"))
    } else {
        Ok(parsed)
    }
}

/// Parses a duration, or `word` for `None`: what `word` means depends on the key.
pub(crate) fn duration_or(
    text: &str,
    word: &str,
    least: Duration,
) -> Result<Option<Duration>, String> {
    if text.trim() == word {
        return Ok(None);
    }
    let parsed = humantime::parse_duration(text.trim())
        .map_err(|_why| format!("`{text}` is not a duration; write `{word}`, or {A_DURATION}"))?;
    if parsed < least {
        return Err(format!(
            "`{text}` is too short; the least is `{}`",
            humantime::format_duration(least)
        ));
    }
    Ok(Some(parsed))
}

/// Parses a size such as `20MiB`, or `unlimited` for `None`. A bare number is refused: bytes
/// are hardly ever meant.
pub(crate) fn size_or(text: &str, word: &str, least: u64) -> Result<Option<u64>, String> {
    let text = text.trim();
    if text == word {
        return Ok(None);
    }
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let size = text.parse::<ByteSize>().ok().filter(|_| has_unit);
    let Some(size) = size.map(|size| size.as_u64()) else {
        return Err(format!(
            "`{text}` is not a size; write `{word}`, or a number and a unit, such as `20MiB`"
        ));
    };
    if size < least {
        return Err(format!(
            "`{text}` is too small; the least is `{}`",
            ByteSize(least)
        ));
    }
    Ok(Some(size))
}

/// Parses how many bytes a second may pass; `None` means as many as can.
pub(crate) fn bandwidth(text: &str) -> Result<Option<u64>, String> {
    const LEAST: u64 = 1024;
    size_or(text, "unlimited", LEAST)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Every wrong value is refused in words that hold the value's remedy.
    pub(crate) fn refuses<T: std::fmt::Debug>(
        parse: impl Fn(&str) -> Result<T, String>,
        cases: &[(&str, &str)],
    ) {
        for (text, words) in cases {
            match parse(text) {
                Ok(value) => panic!("{text:?} was accepted as {value:?}"),
                Err(error) => assert!(error.contains(words), "{text:?}: {error}"),
            }
        }
    }

    #[test]
    fn a_service_id_is_a_label_and_a_pasted_address_is_answered_with_the_id() {
        assert_eq!(service_id(" my-service9 "), Ok("my-service9".to_owned()));
        refuses(
            service_id,
            &[
                ("", "is empty"),
                (
                    "https://my-service.microcms.io/apis/blog",
                    "is an address; write only `my-service`",
                ),
                ("my-service.microcms.io", "write only `my-service`"),
                (
                    "https://My-Service.microcms-management.io",
                    "write only `my-service`",
                ),
                ("my_service", "lower-case letters, digits and inner hyphens"),
                ("My-Service", "lower-case letters"),
                ("-a", "inner hyphens"),
                ("a.b", "is not a service id"),
                (&"a".repeat(64), "at most 63"),
            ],
        );
    }

    #[test]
    fn a_base_url_is_https_or_loopback_and_nothing_but_scheme_and_host() {
        for good in [
            "https://a.microcms.io",
            "https://a.microcms.io:8443/",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
            "http://localhost",
        ] {
            assert!(base_url(good).is_ok(), "{good}");
        }
        refuses(
            base_url,
            &[
                ("a.microcms.io", "is not a URL"),
                ("http://a.microcms.io", "in the clear"),
                ("http://127.0.0.1.example.com", "in the clear"),
                ("ftp://a.microcms.io", "neither `https` nor `http`"),
                (
                    "https://a.microcms.io/api/v1",
                    "such as `https://a.microcms.io`",
                ),
                ("https://a.microcms.io/?x", "scheme and a host only"),
                (
                    "https://user:pw@a.microcms.io",
                    "must not hold a user name or password",
                ),
            ],
        );
        let error = base_url("https://user:pa55word@a.microcms.io").expect_err("a password");
        assert!(!error.contains("pa55word"), "{error}");
    }

    #[test]
    fn an_asset_host_takes_the_form_in_which_urls_are_compared() {
        for (text, form) in [
            ("Images.Microcms-Assets.IO", "images.microcms-assets.io"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("127.0.0.1:80", "127.0.0.1"),
            ("cdn.example.com:80", "cdn.example.com:80"),
            ("cdn.example.com:443", "cdn.example.com"),
            ("[::1]:8080", "[::1]:8080"),
            ("写真.example.com", "xn--g7qs82g.example.com"),
        ] {
            assert_eq!(asset_host(text).as_deref(), Ok(form));
        }
        refuses(
            asset_host,
            &[
                (
                    "https://cdn.example.com",
                    "leave out the scheme and the path",
                ),
                ("cdn.example.com/assets", "write a host name"),
                ("*.example.com", "write a host name"),
                ("me@example.com", "write a host name"),
                ("", "write a host name"),
                ("cdn.example.com:99999", "invalid port"),
            ],
        );
    }

    #[test]
    fn a_listener_has_an_ip_address_and_a_port() {
        assert_eq!(address_or_off("off"), Ok(None));
        for good in ["127.0.0.1:9464", "[::1]:9464", "0.0.0.0:0"] {
            assert!(matches!(address_or_off(good), Ok(Some(_))), "{good}");
        }
        refuses(
            address_or_off,
            &[
                ("localhost:9464", "write `off`, or an IP address and a port"),
                ("127.0.0.1", "is not an address"),
                (":9464", "is not an address"),
                ("9464", "is not an address"),
                ("127.0.0.1:99999", "is not an address"),
                ("", "is not an address"),
            ],
        );
    }

    #[test]
    fn a_file_for_node_exporter_ends_in_prom() {
        assert!(prom_file("/var/lib/node_exporter/microcms_backup.prom").is_ok());
        refuses(
            prom_file,
            &[
                ("", "their names end in `.prom`"),
                ("/var/lib/node_exporter", "their names end in `.prom`"),
                ("metrics.txt", "their names end in `.prom`"),
            ],
        );
    }

    #[test]
    fn a_mode_is_octal_and_keeps_the_owner_in_and_others_from_writing() {
        for (text, least, value) in [("0644", 0o600, 0o644), ("750", 0o700, 0o750)] {
            assert_eq!(mode(text, least), Ok(value));
        }
        refuses(
            |text| mode(text, 0o600),
            &[
                (
                    "rw-r--r--",
                    "is not a mode; write it as for `chmod`, such as `0600`",
                ),
                ("0o644", "is not a mode"),
                ("0698", "is not a mode"),
                ("+644", "is not a mode"),
                ("4755", "is not a mode"),
                ("44", "is not a mode"),
                ("0444", "keeps this program out; the least is `0600`"),
                ("0666", "lets everybody write"),
            ],
        );
    }

    #[test]
    fn durations_have_a_unit_and_a_range() {
        let range = Duration::from_secs(1)..=Duration::from_secs(600);
        assert_eq!(duration("90s", range.clone()), Ok(Duration::from_secs(90)));
        refuses(
            |text| duration(text, range.clone()),
            &[
                ("90", "write a number and a unit, such as `30s`"),
                ("soon", "is not a duration"),
                ("-5s", "is not a duration"),
                ("11m", "out of range (1s to 10m)"),
                ("0s", "out of range (1s to 10m)"),
            ],
        );
        let day = Duration::from_secs(86_400);
        assert_eq!(duration_or("forever", "forever", day), Ok(None));
        assert_eq!(duration_or("365d", "forever", day), Ok(Some(day * 365)));
        refuses(
            |text| duration_or(text, "forever", day),
            &[
                ("never", "write `forever`, or a number and a unit"),
                ("1h", "too short; the least is `1day`"),
            ],
        );
    }

    #[test]
    fn sizes_have_a_unit_and_a_least() {
        assert_eq!(size_or("unlimited", "unlimited", 1024), Ok(None));
        assert_eq!(
            size_or("20MiB", "unlimited", 1024),
            Ok(Some(20 * 1024 * 1024))
        );
        assert_eq!(
            size_or("1.5 GB", "unlimited", 1024),
            Ok(Some(1_500_000_000))
        );
        refuses(
            |text| size_or(text, "unlimited", 1024),
            &[
                (
                    "20",
                    "write `unlimited`, or a number and a unit, such as `20MiB`",
                ),
                ("20MiB/s", "is not a size"),
                ("-1MiB", "is not a size"),
                ("much", "is not a size"),
                ("100B", "too small; the least is `1.0 KiB`"),
            ],
        );
    }
}
