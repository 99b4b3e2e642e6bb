//! The program as a user of its own, as services run it, and folders that are somebody else's.

use crate::support::{Program, Sandbox};
use microcms_sim::Sim;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const NOBODY: u32 = 65_534;

fn own(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).expect("chown");
}

fn close(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

/// A backup that belongs to a user who is not we.
struct Theirs<'a> {
    sim: &'a Sim,
    home: Sandbox,
    binary: PathBuf,
}

impl<'a> Theirs<'a> {
    /// `None` without the right to be another user.
    fn new(sim: &'a Sim) -> Option<Self> {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
        if !is_root {
            eprintln!("skipped: this test runs the program as another user, which needs root");
            return None;
        }
        let home = Sandbox::new();
        // The binary may lie where another user cannot go. Another process copies it: what this
        // one has open for writing, a child that another test begins just then has open as
        // well, and what is open for writing cannot be run ("Text file busy").
        let binary = home.path("test-binary");
        let copied = Command::new("cp")
            .arg(env!("CARGO_BIN_EXE_microcms-backup"))
            .arg(&binary)
            .status();
        assert!(copied.expect("cp").success());
        close(&home.path("."), 0o755);
        for name in ["data", "mirror", "archive"] {
            std::fs::create_dir(home.path(name)).expect("made");
            own(&home.path(name), NOBODY);
        }
        Some(Self { sim, home, binary })
    }

    fn run(&self, words: &[&str]) -> Output {
        let mut program = Program::command(words, &self.home, self.sim);
        let kept: Vec<_> = program
            .0
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&self.binary)
            .args(words)
            .env_clear()
            .envs(kept)
            .stdin(Stdio::null());
        program.0 = command;
        program
            .path("STORAGE__DATABASE", self.home.path("data/backup.sqlite3"))
            .run()
    }

    #[track_caller]
    fn told(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        said
    }

    /// Where the files of the first host lie.
    fn host(&self) -> PathBuf {
        let mut entries = std::fs::read_dir(self.home.path("mirror")).expect("the mirror");
        let is_host = |entry: &std::fs::DirEntry| entry.file_name() != ".tmp";
        let host = entries.find_map(|entry| entry.ok().filter(is_host));
        host.expect("a host").path()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_that_cannot_be_written_are_named_with_what_to_do() {
    let sim = Sim::builder().media(5).start().await;
    let Some(theirs) = Theirs::new(&sim) else {
        return;
    };
    for (broken, name) in [
        ("mirror", "mirror"),
        ("archive", "archive"),
        ("data", "database"),
    ] {
        let folder = theirs.home.path(broken);
        own(&folder, 0);
        close(&folder, 0o755);
        sim.forget_requests();
        let said = theirs.told(&["sync"], 1);
        assert!(
            said.contains(name) && said.contains("hint: "),
            "{broken}: {said}"
        );
        let asked = sim.counters().total;
        assert_eq!(asked, 0, "{broken}: nothing is asked for in vain");
        own(&folder, NOBODY);
    }
    theirs.told(&["sync"], 0);
    assert!(theirs.home.path("data/backup.sqlite3").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_could_not_be_saved_is_refused_before_anything_is_asked() {
    let sim = Sim::builder().start().await;
    let Some(theirs) = Theirs::new(&sim) else {
        return;
    };
    let folder = theirs.home.path("reports");
    std::fs::create_dir(&folder).expect("made");
    close(&folder, 0o755);
    let file = folder.join("file");
    for flag in ["--report", "--metrics-file"] {
        let said = theirs.told(&["sync", flag, file.to_str().expect("UTF-8")], 2);
        let named = format!("as `{}`: Permission denied", file.display());
        assert!(said.contains(&named), "{said}");
        assert!(said.contains("hint: the user this runs as"), "{said}");
    }
    assert_eq!(sim.counters().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_was_somebody_else_s_is_filled_by_the_next_run() {
    let sim = Sim::builder().media(5).start().await;
    let Some(theirs) = Theirs::new(&sim) else {
        return;
    };
    theirs.told(&["sync"], 0);
    let host = theirs.host();
    std::fs::remove_dir_all(&host).expect("gone");
    std::fs::create_dir(&host).expect("made");
    close(&host, 0o755);
    for _ in 0..3 {
        let said = theirs.told(&["sync"], 3);
        assert!(said.contains("the service user needs to own"), "{said}");
    }
    own(&host, NOBODY);
    theirs.told(&["sync"], 0);
    theirs.told(&["verify"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_where_it_could_not_look() {
    let sim = Sim::builder().media(5).start().await;
    let Some(theirs) = Theirs::new(&sim) else {
        return;
    };
    theirs.told(&["sync"], 0);
    assert!(!theirs.told(&["status"], 0).contains("looked"));
    let (mirror, host) = (theirs.home.path("mirror"), theirs.host());
    for (closed, words) in [
        (&mirror, "could not be looked into"),
        (&host, "did not let 5 of 5 files be looked at"),
    ] {
        own(closed, 0);
        close(closed, 0o700);
        let said = theirs.told(&["status", "--json"], 0);
        assert!(
            said.contains(words) && said.contains("Permission denied"),
            "{said}"
        );
        own(closed, NOBODY);
    }
    // The archive's trouble does not hide the mirror's.
    own(&theirs.home.path("archive"), 0);
    close(&theirs.home.path("archive"), 0o700);
    std::fs::remove_dir_all(&host).expect("gone");
    let said = theirs.told(&["status"], 6);
    assert!(said.contains("lacks 5 of 5 files"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_mirror_on_a_volume_of_its_own_is_no_mirror_full_of_files() {
    let sim = Sim::builder().media(2).start().await;
    let Some(theirs) = Theirs::new(&sim) else {
        return;
    };
    let lost = theirs.home.path("mirror/lost+found");
    std::fs::create_dir(&lost).expect("made");
    close(&lost, 0o700);
    let said = theirs.told(&["sync"], 0);
    assert!(!said.contains("a new database was begun"), "{said}");
}
