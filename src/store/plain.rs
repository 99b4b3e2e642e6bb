//! What the schema computes of URLs, and the short part of a path by which rows are found.
//!
//! `media_plain_paths` and `media_references` tell the host and the path of plain URLs without storing them
//! (see `migrations/0009_near.sql`). Whether a URL is plain is decided here, and carefully: of one that is
//! taken for odd although it is not, more is stored than need be, and that is all.

use crate::model::UrlPath;

/// How many characters of a folder's end are in a path's `near`, with the slash behind them.
const NEAR_FOLDER: usize = 9;

/// SQL: the `near` of a file's path, as `assets_by_near` has it.
macro_rules! near {
    ($path:literal) => {
        concat!(
            "ifnull(substr(json_extract('[' || replace(json_quote(",
            $path,
            "), '/', '\",\"') || ']', '$[#-2]'), -8), '') || substr(json_extract('[' || replace(json_quote(",
            $path,
            "), '/', '\",\"') || ']', '$[#-1]'), -6)"
        )
    };
}
pub(super) use near;

/// SQL: whether a row's file has this path, in the words that `assets_by_near` is found by.
///
/// The plus keeps SQLite from putting the value in the column's place everywhere, as it does where both are
/// compared as they are: the rest would then say nothing of the index's expression, and each row would be read.
macro_rules! is_at_path {
    ($column:literal, $path:literal) => {
        concat!(
            $crate::store::plain::near!($column),
            " = ",
            $crate::store::plain::near!($path),
            " AND +",
            $column,
            " = ",
            $path,
            " AND ",
            $column,
            " IS NOT NULL"
        )
    };
}
pub(super) use is_at_path;

/// SQL: the beginning of a digest, as the schema's index has it.
macro_rules! digest_start {
    ($sha256:literal) => {
        concat!("substr(", $sha256, ", 1, 12)")
    };
}
pub(super) use digest_start;

/// SQL: whether a row's file has this digest, in the words that `assets_by_digest` is found by. The plus is that
/// of `is_at_path`.
macro_rules! is_digest {
    ($column:literal, $sha256:literal) => {
        concat!(
            $crate::store::plain::digest_start!($column),
            " = ",
            $crate::store::plain::digest_start!($sha256),
            " AND +",
            $column,
            " = ",
            $sha256,
            " AND ",
            $column,
            " IS NOT NULL"
        )
    };
}
pub(super) use is_digest;

/// Returns whether `media_plain_paths` tells of a medium what [`UrlPath::of`] does: its URL's folder stands
/// there as it is, and its file's name is the decoded rest.
pub(super) fn is_plain_medium(url: &str, file_name: &str) -> bool {
    let Some((host, path)) = split(url) else {
        return false;
    };
    let Some((folder, _)) = path.rsplit_once('/') else {
        return false;
    };
    // The end of the host must not come into what is short.
    folder.chars().count() + 1 >= NEAR_FOLDER
        && !path.contains('?')
        && !file_name.contains('/')
        && !file_name.contains(char::is_control)
        && UrlPath::of(url).is_some_and(|at| {
            is_same_host(&at, host)
                && at
                    .path
                    .strip_prefix(folder)
                    .and_then(|rest| rest.strip_prefix('/'))
                    == Some(file_name)
        })
}

/// What `media_references` has to store of where a URL points to. Nothing: the URL's text says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Odd<'a> {
    /// The whole of it.
    pub(super) at: Option<&'a UrlPath>,
    /// The decoded end of the path, where everything before stands in the URL as it is.
    pub(super) name: Option<&'a str>,
}

/// Returns what is to be stored of a URL in a body that points to `at`.
pub(super) fn odd_mention<'a>(url: &str, at: &'a UrlPath) -> Odd<'a> {
    let whole = Odd {
        at: Some(at),
        name: None,
    };
    let Some((_, path)) = split(url).filter(|(host, _)| is_same_host(at, host)) else {
        return whole;
    };
    let path = path.split('?').next().unwrap_or(path);
    if path == at.path {
        return Odd::default();
    }
    let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    let name = at
        .path
        .strip_prefix(folder)
        .and_then(|rest| rest.strip_prefix('/'));
    match name {
        Some(name) if !name.contains('\0') => Odd {
            at: None,
            name: Some(name),
        },
        Some(_) | None => whole,
    }
}

/// Splits an ordinary URL into its host and what begins with the path's slash.
fn split(url: &str) -> Option<(&str, &str)> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))?;
    let (host, path) = rest.split_at(rest.find('/')?);
    let is_ordinary = !host.is_empty()
        && host.is_ascii()
        && !host.contains('?')
        && !url.contains(|c: char| c == '#' || c.is_control());
    is_ordinary.then_some((host, path))
}

fn is_same_host(at: &UrlPath, host: &str) -> bool {
    at.host == host.to_ascii_lowercase()
}
