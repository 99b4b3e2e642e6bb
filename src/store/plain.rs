//! What the schema computes of URLs, the short part of a path by which rows are found, and the words of a status.
//!
//! `media_plain_paths` and `media_references` tell the host and the path of plain URLs without storing them
//! (see `migrations/0009_near.sql`). Whether a URL is plain is decided here, and carefully: of one that is
//! taken for odd although it is not, more is stored than need be, and that is all.

use crate::model::UrlPath;

/// How long a plain medium's folder is at least, with the slash behind it: then the end of the host is in no
/// `near`. A shorter one, which would do by now, is stored as odd all the same, as it always was.
const NEAR_FOLDER: usize = 9;

/// SQL: the status of a row of `contents`, in words that `Status::parse` reads: the column has the first alone. `$row` is the
/// table's name and a dot, or nothing.
macro_rules! status_words {
    ($row:literal) => {
        concat!(
            "iif(",
            $row,
            "metadata -> '$.status[1]' IS NULL, ",
            $row,
            "status, (SELECT group_concat(value) FROM json_each(",
            $row,
            "metadata, '$.status')))"
        )
    };
}
pub(super) use status_words;

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

/// SQL: the beginning of a digest, as the schema's index has it.
macro_rules! digest_start {
    ($sha256:literal) => {
        concat!("substr(", $sha256, ", 1, 12)")
    };
}
pub(super) use digest_start;

/// SQL: whether a column has a value, in the words that an index on its short part (`near` of `assets_by_near`,
/// `digest_start` of `assets_by_digest`) is found by.
///
/// The plus is for older versions of SQLite (3.40 is one), with which people open a backup: where a column
/// equals a value as it is, they put the value in its place everywhere, and read every row, because what is then
/// asked for is not the index's expression any more.
macro_rules! is_at {
    ($short:ident, $column:literal, $value:literal) => {
        concat!(
            $crate::store::plain::$short!($column),
            " = ",
            $crate::store::plain::$short!($value),
            " AND +",
            $column,
            " = ",
            $value,
            " AND ",
            $column,
            " IS NOT NULL"
        )
    };
}
pub(super) use is_at;

/// Returns whether `media_plain_paths` tells of a medium what [`UrlPath::of`] does: its URL's folder stands
/// there as it is, and its file's name is the decoded rest.
pub(super) fn is_plain_medium(url: &str, file_name: &str) -> bool {
    let Some((host, path)) = split(url) else {
        return false;
    };
    let Some((folder, _)) = path.rsplit_once('/') else {
        return false;
    };
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
