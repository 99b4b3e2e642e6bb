//! How many files and sockets the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than two groups of files on their way to their places, with the folders of each, and the downloads behind them.
const WANTED: u64 = 8192;

/// Takes as many as may be had, up to what can be used: shells and systemd give 1,024 to begin with, since programs that
/// use `select` break beyond, and leave it to others to ask for more.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        // Where it is forbidden, what there is has to do.
        setrlimit(Resource::Nofile, raised).unwrap_or_default();
    }
}

/// Returns how many there may be; `None`: any number.
pub(super) fn allowed() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}
