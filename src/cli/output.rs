//! Text to stdout and stderr, without panics when nobody reads it.

use std::io::{self, IsTerminal as _, Write};

use super::columns::WIDTH;

/// Writes a result to stdout. A reader that left (`| head`) is content with what it got.
///
/// # Errors
/// If stdout cannot be written for another reason, such as a full disk behind it.
pub(crate) fn result(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    written(
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush()),
    )
}

/// Writes a part of a long result to stdout. Returns whether anybody reads on.
///
/// # Errors
/// As [`result`].
pub(crate) fn part(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    let outcome = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    let is_read = outcome.is_ok();
    written(outcome).map(|()| is_read)
}

/// Returns how many columns the terminal behind stdout has; `None` if it is no terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&stdout).map(|size| usize::from(size.ws_col));
    // Some terminals do not say it.
    Some(columns.ok().filter(|columns| *columns > 0).unwrap_or(WIDTH))
}

/// Writes a message to stderr. If that fails there is nobody left to tell.
pub(crate) fn message(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

fn written(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is_one() {
        assert!(written(Err(io::Error::from(io::ErrorKind::BrokenPipe))).is_ok());
        assert!(written(Err(io::Error::from(io::ErrorKind::StorageFull))).is_err());
    }
}
