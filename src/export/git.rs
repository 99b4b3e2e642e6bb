//! Commits of what an export wrote, and of nothing else.
//!
//! Commits are made by Git's inner commands and an index of their own: what somebody else changed or staged
//! stays as it is, no hook runs, and nothing is pushed.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::error::ExportError;
use super::folder::Files;
use crate::model::plain;

/// What a caller's Git may have set, and what would lead ours elsewhere.
const HIDDEN: [&str; 14] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_QUARANTINE_PATH",
    "GIT_EXTERNAL_DIFF",
];
/// Who commits where nobody is configured.
const NOBODY: (&str, &str) = ("microcms-backup", "microcms-backup@localhost");
/// The end of what Git says goes into messages.
const SAID: usize = 400;

/// What a commit says.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Whose contents they are.
    pub service: String,
    /// What is to be known of them, a line each.
    pub about: Vec<String>,
}

impl Commit {
    /// Returns the message.
    pub(super) fn told(&self, files: &Files) -> String {
        format!(
            "Export of {}: {} written, {} removed\n\n{}\n",
            plain(&self.service),
            files.written,
            files.removed,
            self.about.join("\n")
        )
    }
}

/// How Git is called.
#[derive(Clone, Debug)]
pub struct Git {
    /// Variables that it does not get.
    pub hidden: Vec<String>,
    /// Whether what it writes is for the owner alone.
    pub is_private: bool,
}

/// The modes of what Git writes, in its own words; a umask would have to be that of this whole process.
const PRIVATE: &str = "core.sharedRepository=0600";

impl Git {
    /// Makes sure that the folder lies in a repository; it becomes one where it does not.
    ///
    /// # Errors
    /// Without Git, and where it refuses.
    pub fn prepare(&self, folder: &Path) -> Result<(), ExportError> {
        let repository = Repository::new(self, folder);
        let inside = repository.run(&["rev-parse", "--is-inside-work-tree"], &[])?;
        if inside.status.success() {
            return Ok(());
        }
        // "Not a repository" is no failure. Anything else comes again here, with its reason.
        let mut init = vec!["init", "--quiet"];
        if self.is_private {
            // Also for what its owner commits there later.
            init.push("--shared=0600");
        }
        repository.ask(&init)?;
        Ok(())
    }

    /// Commits what changed among the paths that are the export's own. Returns the commit's id; `None` if
    /// nothing changed.
    pub(super) fn commit(
        &self,
        folder: &Path,
        is_ours: impl Fn(&str) -> bool,
        message: &str,
    ) -> Result<Option<String>, ExportError> {
        let mut repository = Repository::new(self, folder);
        let paths = repository.changed(is_ours)?;
        let head = repository.run(&["rev-parse", "--quiet", "--verify", "HEAD"], &[])?;
        let head = head.status.success().then(|| line(&head));
        // The common index first: what is committed is not to look like a change against it.
        let stage = ["update-index", "--add", "--remove", "-z", "--stdin"];
        repository.feed(&stage, &paths)?;
        let own = repository.ask(&["rev-parse", "--git-path", "microcms-backup-index"])?;
        repository.index = Some(folder.join(own));
        match &head {
            Some(head) => repository.ask(&["read-tree", head])?,
            None => repository.ask(&["read-tree", "--empty"])?,
        };
        repository.feed(&stage, &paths)?;
        let tree = repository.ask(&["write-tree"])?;
        repository.drop_index();
        if let Some(head) = &head
            && repository.ask(&["rev-parse", &format!("{head}^{{tree}}")])? == tree
        {
            return Ok(None);
        }
        if head.is_none() && paths.is_empty() {
            return Ok(None);
        }
        let mut command = vec!["commit-tree", &tree];
        if let Some(head) = &head {
            command.extend(["-p", head]);
        }
        let commit = line(&repository.feed(&command, message.as_bytes())?);
        let before = head.unwrap_or_default();
        repository.ask(&["update-ref", "-m", "export", "HEAD", &commit, &before])?;
        Ok(Some(commit))
    }
}

struct Repository<'a> {
    git: &'a Git,
    folder: &'a Path,
    index: Option<PathBuf>,
}

impl<'a> Repository<'a> {
    fn new(git: &'a Git, folder: &'a Path) -> Self {
        Self {
            git,
            folder,
            index: None,
        }
    }

    /// Returns the changed paths that are ours, each with a NUL behind it, relative to the folder.
    fn changed(&self, is_ours: impl Fn(&str) -> bool) -> Result<Vec<u8>, ExportError> {
        let prefix = self.ask(&["rev-parse", "--show-prefix"])?;
        let status = [
            "status",
            "--porcelain",
            "-z",
            "--untracked-files=all",
            "--no-renames",
            "--",
            ".",
        ];
        let listed = self.feed(&status, &[])?.stdout;
        let mut paths = Vec::new();
        for entry in listed.split(|byte| *byte == 0) {
            // Two letters and a blank stand before the path. Ours are all UTF-8.
            let path = entry
                .get(3..)
                .and_then(|path| std::str::from_utf8(path).ok());
            let path = path.and_then(|path| path.strip_prefix(prefix.as_str()));
            if let Some(path) = path.filter(|path| is_ours(path)) {
                paths.extend_from_slice(path.as_bytes());
                paths.push(0);
            }
        }
        Ok(paths)
    }

    fn ask(&self, words: &[&str]) -> Result<String, ExportError> {
        self.feed(words, &[]).map(|output| line(&output))
    }

    /// Runs a command that must not fail.
    fn feed(&self, words: &[&str], input: &[u8]) -> Result<Output, ExportError> {
        let output = self.run(words, input)?;
        if output.status.success() {
            return Ok(output);
        }
        Err(ExportError::Git {
            command: words.first().copied().unwrap_or_default().to_owned(),
            said: end_of(&output.stderr),
        })
    }

    fn run(&self, words: &[&str], input: &[u8]) -> Result<Output, ExportError> {
        let mut command = Command::new("git");
        // A monitor or a hook of the repository is a program; none of them is to run for an export.
        command
            .arg("-C")
            .arg(self.folder)
            .args([
                "-c",
                "core.fsmonitor=false",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(["-c", "core.quotePath=false", "-c", "core.autocrlf=false"])
            .args(if self.git.is_private {
                &["-c", PRIVATE][..]
            } else {
                &[]
            })
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for name in HIDDEN
            .into_iter()
            .chain(self.git.hidden.iter().map(String::as_str))
        {
            command.env_remove(name);
        }
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
        if let Some(index) = &self.index {
            command.env("GIT_INDEX_FILE", index);
        }
        if words.first() == Some(&"commit-tree") && !self.knows_who()? {
            for role in ["AUTHOR", "COMMITTER"] {
                command
                    .env(format!("GIT_{role}_NAME"), NOBODY.0)
                    .env(format!("GIT_{role}_EMAIL"), NOBODY.1);
            }
        }
        exchange(&mut command, input).map_err(ExportError::NoGit)
    }

    /// Returns whether somebody is configured. Git's own guess, made of user and host, is nobody.
    fn knows_who(&self) -> Result<bool, ExportError> {
        for key in ["user.name", "user.email"] {
            if !self.run(&["config", "--get", key], &[])?.status.success() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets the index of its own. One that stays behind is written anew by the next commit.
    fn drop_index(&mut self) {
        self.index = None;
    }
}

fn exchange(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    let mut child = command.spawn()?;
    let sent = match child.stdin.take() {
        // None of these commands says much before it has read everything.
        Some(mut stdin) => stdin.write_all(input),
        None => Ok(()),
    };
    let output = child.wait_with_output()?;
    match sent {
        // It ended before it had read everything: its code says why.
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => Err(err),
        Ok(()) | Err(_) => Ok(output),
    }
}

fn line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    // Alone the break: a folder's name may end with a blank.
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// Returns the end of what Git said, printable; its lines stay lines, for it names commands to copy.
fn end_of(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let said = said.trim();
    let from = said.ceil_char_boundary(said.len().saturating_sub(SAID));
    let lines = said.get(from..).unwrap_or_default().lines().map(str::trim);
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).map(plain).collect();
    lines.join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_says_in_several_lines_can_be_read_and_copied() {
        let said = b"fatal: detected dubious ownership in repository at '/x'\n\
            To add an exception for this directory, call:\n\n\
            \tgit config --global --add safe.directory /x\x1b\n";
        assert_eq!(
            end_of(said),
            "fatal: detected dubious ownership in repository at '/x'\n  \
             To add an exception for this directory, call:\n  \
             git config --global --add safe.directory /x\u{fffd}"
        );
    }
}
