//! The binary itself, run against a simulator, as cron and systemd run it.

use super::Sandbox;
use microcms_sim::Sim;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// One start of the binary, to be changed before it runs.
#[derive(Debug)]
pub(crate) struct Program(pub(crate) Command);

impl Program {
    /// `microcms-backup sync` with a home and a service, and nothing else of our environment.
    pub(crate) fn sync(home: &Sandbox, sim: &Sim) -> Self {
        Self::wrapped(&[], home, sim)
    }

    /// `microcms-backup daemon` with the same, and a configuration file.
    pub(crate) fn daemon(home: &Sandbox, sim: &Sim, config: &Path) -> Self {
        let mut daemon = Self::command(&["daemon"], home, sim);
        daemon.0.arg("--config").arg(config);
        daemon
    }

    /// `microcms-backup sync`, behind another command such as `setpriv`.
    pub(crate) fn wrapped(before: &[&str], home: &Sandbox, sim: &Sim) -> Self {
        Self::of(before, &["sync"], home, sim)
    }

    /// Another command of the binary, such as `status --json`.
    pub(crate) fn command(words: &[&str], home: &Sandbox, sim: &Sim) -> Self {
        Self::of(&[], words, home, sim)
    }

    /// Another command of the binary, behind another program.
    pub(crate) fn of(before: &[&str], words: &[&str], home: &Sandbox, sim: &Sim) -> Self {
        let binary = env!("CARGO_BIN_EXE_microcms-backup");
        let mut words = before.iter().chain([&binary]).chain(words);
        let mut command = Command::new(words.next().expect("a program"));
        command
            .args(words)
            .env_clear()
            .env("MICROCMS_SERVICE_ID", sim.service_id())
            .env("MICROCMS_API_KEY", sim.api_key())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command)
            .set("SERVICE__MANAGEMENT_URL", sim.management_url())
            .set("SERVICE__CONTENT_URL", sim.content_url())
            .set(
                "ASSETS__HOSTS",
                format!("{},{}", sim.image_host(), sim.file_host()),
            )
            .path("STORAGE__DATABASE", home.database())
            .path("STORAGE__MIRROR", home.path("mirror"))
            .path("STORAGE__ARCHIVE", home.path("archive"))
    }

    /// Sets a configuration key.
    pub(crate) fn set(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.0
            .env(format!("MICROCMS_BACKUP__{key}"), value.as_ref());
        self
    }

    /// Sets a configuration key to a path.
    pub(crate) fn path(self, key: &str, value: PathBuf) -> Self {
        self.set(key, value.to_str().expect("UTF-8"))
    }

    /// Runs to the end.
    pub(crate) fn run(mut self) -> Output {
        self.0.output().expect("the binary starts")
    }

    /// Starts, and writes what it says to a file.
    pub(crate) fn start_logged(mut self, log: PathBuf) -> Running {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a file");
        self.0.stdout(Stdio::null()).stderr(log);
        Running(self.0.spawn().expect("the binary starts"))
    }

    /// Starts, with nobody reading what it says.
    pub(crate) fn start(mut self) -> Running {
        self.0.stdout(Stdio::null()).stderr(Stdio::null());
        Running(self.0.spawn().expect("the binary starts"))
    }
}

/// A process that does not outlive its test.
#[derive(Debug)]
pub(crate) struct Running(Child);

impl Running {
    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        // `unsafe_code` is forbidden, so the shell's own way.
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .stderr(Stdio::null())
            .status()
            .expect("`kill` starts");
        // It may have ended just now; its parent, us, has not waited, so the id is still its own.
        assert!(sent.success(), "kill -{name}");
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("our child")
    }

    /// Waits for the end, but not for ever.
    #[expect(
        clippy::disallowed_methods,
        reason = "the standard library waits for a child for ever or not at all"
    )]
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(begun.elapsed() < at_most, "still running after {at_most:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
