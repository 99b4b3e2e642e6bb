//! The rows of the table.

mod files;
mod footprint;
mod limits;
mod link;
mod script;
mod start;
mod unchanged;
mod walks;

use crate::Fallible;
use crate::args::Args;
use crate::table::Line;

/// One row that can be asked for. It may make several lines.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether it is measured when nobody asks for it by name.
    pub(crate) is_default: bool,
    pub(crate) measure: fn(&Args) -> Fallible<Vec<Line>>,
}

const fn row(
    name: &'static str,
    what: &'static str,
    measure: fn(&Args) -> Fallible<Vec<Line>>,
) -> Row {
    Row {
        name,
        what,
        is_default: true,
        measure,
    }
}

const fn only_when_named(row: Row) -> Row {
    Row {
        is_default: false,
        ..row
    }
}

/// All of them, in the table's order.
pub(crate) const ALL: &[Row] = &[
    row(
        "mirror1",
        "5,000 × 20 KiB + 20 × 10 MiB from nginx over TLS, HTTP/1.1, beside curl",
        files::mirror_http1,
    ),
    row(
        "latency",
        "1,000 files at 30 ms for each answer, 32 at a time, beside the floor, curl and wget2",
        files::latency,
    ),
    row(
        "media",
        "100,000 media listed without a limiter, beside reading alone and inserting alone",
        walks::media,
    ),
    row(
        "contents",
        "100,000 contents of 2 KB with bodies, likewise",
        walks::contents,
    ),
    // Not right behind `mirror1`: ext4 looks long for a free inode for some minutes after many were freed.
    row("mirror2", "as `mirror1`, over HTTP/2", files::mirror_http2),
    row(
        "script",
        "10,000 media and 5,000 contents, beside a script of curl, jq and sqlite3",
        script::script,
    ),
    row(
        "limits",
        "3,000 media and 2,000 contents within the service's limits, beside arithmetic (a minute)",
        limits::limits,
    ),
    row(
        "link",
        "page tokens while downloads fill a line of 10 Mbit/s (needs root)",
        link::link,
    ),
    row(
        "memory",
        "the most memory at 10,000 media with files, and at 100,000 listed",
        footprint::memory,
    ),
    only_when_named(row(
        "million",
        "the most memory at 1,000,000 media listed (minutes)",
        footprint::million,
    )),
    row(
        "unchanged",
        "a second run over 100,000 media with files and 100,000 contents (minutes to prepare)",
        unchanged::unchanged,
    ),
    row(
        "database",
        "bytes of the database for each medium and each content, beside their JSON",
        footprint::database,
    ),
    row(
        "start",
        "`--help`, `status`, and a `sync` that finds the lock taken",
        start::start,
    ),
    row("binary", "the stripped binary", start::binary),
    only_when_named(row(
        "build",
        "a release build from nothing (minutes)",
        start::build,
    )),
];
