//! Where the backup stands, as its own database tells it.

use super::report::{Holdings, HostTransfer};
use super::{
    Endpoint, EndpointKind, ExitCode, LastProof, Outcome, Timestamp, VerifyState, WalkVerdict,
};

/// Everything that the database can say about the backup's state, read at one moment.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BackupState {
    /// The schema's number.
    pub schema: u32,
    /// The newest runs, newest first, at most [`RUNS_LISTED`].
    pub runs: Vec<RunLine>,
    /// The newest run that was about everything and complete.
    pub last_complete: Option<RunLine>,
    /// The newest run that was about everything and has ended.
    pub last_ended: Option<RunLine>,
    /// The newest run about everything that said that a person must act, if none was complete since.
    pub needs_person: Option<RunLine>,
    /// What the last run that was about everything could not prove.
    pub unproven: Vec<UnprovenWalk>,
    /// What the backup holds.
    pub holdings: Holdings,
    /// The APIs that exist upstream, by name.
    pub endpoints: Vec<EndpointState>,
    /// The files.
    pub files: FileState,
    /// The files whose last attempt failed, most attempts first, at most [`FAILED_SHOWN`].
    pub failed: Vec<FailedFile>,
    /// The month of `transfer`, UTC, such as `2026-11`.
    pub month: String,
    /// What each host answered in this month, most bytes first.
    pub transfer: Vec<HostTransfer>,
    /// Bytes of the files in the mirror, those of deleted media included.
    pub mirror_bytes: u64,
    /// Bytes of superseded files, each digest once.
    pub archive_bytes: u64,
    /// The newest root, which a complete run committed to; `None` before the first one.
    pub proof: Option<LastProof>,
    /// What `verify` found last; `None`: nothing was ever verified.
    pub verify: Option<VerifyState>,
}

/// How many runs a [`BackupState`] lists.
pub const RUNS_LISTED: usize = 20;
/// How many failed files a [`BackupState`] names; [`FileState::failed`] is their true number.
pub const FAILED_SHOWN: usize = 200;

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RunLine {
    /// Its number.
    pub id: i64,
    /// What started it, and what it was limited to: `command`, `command, media only`.
    pub trigger: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it began by the machine's own clock; `None`: an older version recorded it, and `started_at` has to do.
    pub clock_at: Option<Timestamp>,
    /// When it ended; `None` where it did not, or where nobody knows.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Outcome,
    /// The number that the shell saw.
    pub exit_code: Option<u8>,
    /// Why it was not complete.
    pub error: Option<String>,
}

impl RunLine {
    /// Returns when it began by the machine's own clock, which is what its age is counted from: the recorded times go on
    /// after each other where that clock went back.
    pub fn began(&self) -> Timestamp {
        let clock = self.clock_at.unwrap_or(self.started_at);
        clock.min(self.started_at)
    }

    /// Returns what the run was limited to, in words; `None`: it was about everything.
    pub fn part(&self) -> Option<&str> {
        let (_, part) = self.trigger.split_once(", ")?;
        part.strip_suffix(" only")
    }

    /// Returns whether the run was about everything: all there is, or where the configuration names
    /// APIs, all media and at least those.
    pub fn covers(&self, configured: &[Endpoint]) -> bool {
        let Some(part) = self.part() else { return true };
        let Some(names) = part.strip_prefix("all media and the contents of ") else {
            return false;
        };
        let names: Vec<&str> = names.split(", ").collect();
        let is_named = |endpoint: &Endpoint| names.contains(&endpoint.as_str());
        !configured.is_empty() && configured.iter().all(is_named)
    }

    /// Returns whether the run ended in a way that no later one heals by itself: a guard, the key, the configuration.
    pub fn needs_person(&self) -> bool {
        [ExitCode::Usage, ExitCode::Refused, ExitCode::Guard]
            .iter()
            .any(|code| self.exit_code == Some(code.code()))
    }

    /// Returns why the run was not complete, without what every such line says besides.
    pub fn reason(&self) -> Option<&str> {
        let error = self.error.as_deref()?;
        let error = error.strip_prefix("UNSAFE: ").unwrap_or(error);
        Some(error.split("; saved so far: ").next().unwrap_or(error))
    }
}

/// A walk whose listing is not proven.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct UnprovenWalk {
    /// `media`, `contents/blog`.
    pub scope: String,
    /// Unproven or failed.
    pub verdict: WalkVerdict,
    /// Why.
    pub detail: Option<String>,
}

/// One API.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EndpointState {
    /// Its name in requests.
    pub endpoint: Endpoint,
    /// Its name for people.
    pub name: String,
    /// Whether it holds many contents or one.
    pub kind: EndpointKind,
    /// Whether its schema is saved.
    pub has_schema: bool,
    /// Contents that exist upstream.
    pub contents: u64,
    /// Bodies that are owed, those refused to the key left out.
    pub bodies_owed: u64,
    /// Bodies that the key may not read.
    pub bodies_refused: u64,
    /// Why one of them is owed or refused.
    pub bodies_error: Option<String>,
    /// Whether the configuration names APIs and not this one: it is as an earlier run left it, and what it owes is not
    /// counted as owed.
    pub is_left_out: bool,
}

impl EndpointState {
    /// Returns how many of its bodies are not saved, whatever the reason.
    pub fn bodies_missing(&self) -> u64 {
        self.bodies_owed + self.bodies_refused
    }
}

/// Returns whether the configuration names APIs and not this one.
pub fn is_left_out(configured: &[Endpoint], endpoint: &Endpoint) -> bool {
    !configured.is_empty() && !configured.contains(endpoint)
}

/// The files, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FileState {
    /// Saved.
    pub saved: u64,
    /// Listed and not saved yet.
    pub owed: u64,
    /// Bytes of the owed ones, as far as their hosts have told.
    pub owed_bytes: u64,
    /// Files whose last attempt failed.
    pub failed: u64,
    /// Of the owed and failed ones, those that were saved before and that the mirror lost.
    pub lost: u64,
    /// Files that nobody has any more: deleted upstream before they could be saved, or lost from the mirror since.
    pub gone: u64,
    /// Of those, the ones that were saved and that nobody accepted as lost.
    pub gone_from_here: u64,
    /// When the next of the failed ones is tried again; `None`: by the next run.
    pub next_attempt_at: Option<Timestamp>,
}

/// One file whose last attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FailedFile {
    /// The medium.
    pub media_id: String,
    /// Where it was asked for.
    pub url: String,
    /// Its name for people.
    pub file_name: String,
    /// What happened last.
    pub error: String,
    /// Failed attempts one after the other.
    pub attempts: u64,
    /// Not asked for before this; `None`: by the next run.
    pub next_attempt_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(trigger: &str) -> RunLine {
        RunLine {
            id: 1,
            trigger: trigger.to_owned(),
            started_at: Timestamp::from_unix_millis(0),
            clock_at: None,
            finished_at: None,
            outcome: Outcome::Complete,
            exit_code: Some(0),
            error: None,
        }
    }

    #[test]
    fn a_part_run_proves_nothing_of_the_rest() {
        let blog = Endpoint::parse("blog").unwrap();
        let news = Endpoint::parse("news").unwrap();
        let both = [blog.clone(), news];
        for (trigger, configured, covers) in [
            ("command", &[][..], true),
            ("command", &both, true),
            ("command, media only", &[], false),
            ("command, media and contents only", &both, false),
            ("command, contents (blog) only", &both[..1], false),
            // A configuration that names APIs makes each of its runs such a one.
            (
                "schedule, all media and the contents of news, blog only",
                &both,
                true,
            ),
            (
                "command, all media and the contents of blog only",
                &both,
                false,
            ),
            // Who names APIs on the command line alone does not speak of the others.
            (
                "command, all media and the contents of blog only",
                &[],
                false,
            ),
        ] {
            assert_eq!(run(trigger).covers(configured), covers, "{trigger}");
        }
        assert_eq!(run("command, media only").part(), Some("media"));
        assert_eq!(run("command").part(), None);
    }

    #[test]
    fn the_reason_is_the_line_without_its_frame() {
        let mut run = run("command");
        assert_eq!(run.reason(), None);
        run.error = Some("UNSAFE: media: refused; saved so far: 3 media".to_owned());
        assert_eq!(run.reason(), Some("media: refused"));
        run.error = Some("the process died without a word".to_owned());
        assert_eq!(run.reason(), Some("the process died without a word"));
    }
}
