//! The rooms and their rules, held against the text of `src/`. A new edge changes this table and
//! ARCHITECTURE.md in the same commit.

use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may name.
const EDGES: [(&str, &[&str]); 16] = [
    ("blocking", &[]),
    ("model", &[]),
    ("plan", &["model"]),
    ("remote", &["model"]),
    ("store", &["model"]),
    ("mirror", &["model"]),
    (
        "sync",
        &["blocking", "mirror", "model", "plan", "remote", "store"],
    ),
    ("export", &["model"]),
    ("config", &["model"]),
    ("hooks", &["model"]),
    ("notify", &["model", "remote"]),
    ("logging", &["model"]),
    ("daemon", &["model", "sync"]),
    ("health", &["model"]),
    (
        "cli",
        &[
            "blocking", "config", "daemon", "export", "health", "hooks", "logging", "mirror",
            "model", "notify", "plan", "remote", "store", "sync",
        ],
    ),
    ("main", &["cli", "model"]),
];

/// A rule that keeps words in their room.
struct Only {
    words: &'static [&'static str],
    /// Rooms (`remote`) and files (`cli/output.rs`).
    places: &'static [&'static str],
    why: &'static str,
}

const ONLY: [Only; 18] = [
    Only {
        words: &["reqwest"],
        places: &["remote"],
        why: "HTTP stays in `remote`",
    },
    Only {
        words: &["hyper::", "hyper_util", "TcpListener"],
        places: &["health/listen.rs"],
        why: "who listens is `health`, in one file",
    },
    Only {
        words: &[
            "camelCase",
            "\"totalCount\"",
            "\"draftKey",
            "\"createdAt\"",
            "\"updatedAt\"",
            "\"publishedAt\"",
            "\"revisedAt\"",
            "\"closedAt\"",
            "\"customStatus\"",
            "\"reservationTime\"",
            "\"createdBy\"",
            "\"updatedBy\"",
            "imageOnly",
            "\"apiFields\"",
            "X-MICROCMS",
            "x-microcms",
            "/api/v",
        ],
        places: &["remote"],
        why: "names of the service's API stay in `remote`",
    },
    Only {
        words: &[
            "rusqlite",
            "SELECT ",
            "INSERT INTO",
            "UPDATE ",
            "DELETE FROM",
        ],
        places: &["store"],
        why: "SQL stays in `store`",
    },
    Only {
        words: &["cap_std", "rustix::fs", "rustix::io"],
        places: &["mirror", "export/folder.rs"],
        why: "folder handles stay in `mirror`",
    },
    Only {
        words: &["rustix::process"],
        places: &["hooks", "cli/descriptors.rs", "daemon/signals.rs"],
        why: "only what a hook started gets a signal from here, one file asks for more open files, and one hears signals",
    },
    Only {
        words: &[
            "process::Command",
            "tokio::process",
            "process::{Command",
            "process::{Child",
        ],
        places: &["hooks", "export/git.rs"],
        why: "programs are started in two places, with an environment that holds no secret",
    },
    Only {
        words: &[
            "fs::write",
            "fs::rename",
            "fs::copy",
            "fs::hard_link",
            "fs::remove_",
            "fs::create_dir",
            "File::create",
            "OpenOptions",
            "DirBuilder",
            "set_permissions",
        ],
        places: &["mirror", "store", "cli/report_file.rs", "export/folder.rs"],
        why: "files are written by `mirror`; the database's by `store`, the report's and an export's by their own",
    },
    Only {
        words: &["println!", "print!", "eprintln!", "eprint!", "dbg!"],
        places: &[],
        why: "these panic when nobody reads; `cli/output.rs` does not",
    },
    Only {
        words: &["io::stdout", "::stdout()"],
        places: &["cli/output.rs"],
        why: "results are printed in one place",
    },
    Only {
        words: &["io::stderr", "::stderr()"],
        places: &["cli/output.rs", "cli/progress.rs", "logging.rs"],
        why: "stderr belongs to messages, progress and the log",
    },
    Only {
        words: &["process::exit", "process::abort", "process::ExitCode"],
        places: &["main.rs"],
        why: "the process ends in `main`",
    },
    Only {
        words: &["env::var", "env::args", "use std::env"],
        places: &["config/sources.rs", "main.rs"],
        why: "`config` alone reads the environment, `main` the arguments",
    },
    Only {
        words: &["SystemTime", "Utc::now", "Local::now"],
        places: &["main.rs"],
        why: "`main` alone owns a clock; the others take the time",
    },
    Only {
        words: &["tokio::signal", "SignalKind"],
        places: &["daemon/signals.rs"],
        why: "signals are heard in one place",
    },
    Only {
        words: &["tokio_cron_scheduler::"],
        places: &["daemon/alarm.rs"],
        why: "the scheduler only wakes; `daemon/schedule.rs` says what is due",
    },
    Only {
        words: &["sd_notify"],
        places: &["daemon/systemd.rs"],
        why: "one place talks to the service manager",
    },
    Only {
        words: &["thread::spawn", "thread::Builder"],
        places: &["store/thread.rs", "mirror/flush.rs", "daemon/systemd.rs"],
        why: "threads of our own are the database's, those that end before the flush of a group does, and the one that the \
              service manager may keep",
    },
];

/// What the pure rooms never touch.
const IMPURE: [&str; 11] = [
    "tokio",
    "tracing",
    "async ",
    ".await",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
    "std::io",
    "Instant",
    "fastrand",
];

/// One line of code: its file below `src/`, its number, its text without a comment.
struct Line {
    file: String,
    number: usize,
    text: String,
    /// Inside of tests, which may write files and print.
    is_test: bool,
}

impl Line {
    fn room(&self) -> &str {
        self.file
            .split_once('/')
            .map_or_else(|| self.file.trim_end_matches(".rs"), |(room, _)| room)
    }

    /// A place is a room or a file, with what it was split into.
    fn is_in(&self, places: &[&str]) -> bool {
        let is_part = |whole: &str| {
            let rest = self.file.strip_prefix(whole.trim_end_matches(".rs"));
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        places.iter().any(|place| {
            self.room() == *place || self.file == *place || place.contains('/') && is_part(place)
        })
    }

    fn wrong(&self, why: &str) -> String {
        format!(
            "src/{}:{}: {why}\n    {}",
            self.file, self.number, self.text
        )
    }
}

/// Splits a file into its lines of code.
fn lines(file: &str, text: &str) -> Vec<Line> {
    let is_test_file = file.ends_with("/tests.rs") || file.contains("/tests/");
    let mut is_test = is_test_file;
    let mut after_cfg = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        // A module of tests with a body is the last thing in its file.
        is_test |= after_cfg && trimmed.contains("mod ") && trimmed.ends_with('{');
        after_cfg = trimmed == "#[cfg(test)]";
        if trimmed.starts_with("//") {
            continue;
        }
        let code = trimmed.split_once(" // ").map_or(trimmed, |(code, _)| code);
        found.push(Line {
            file: file.to_owned(),
            number: index + 1,
            text: code.to_owned(),
            is_test,
        });
    }
    found
}

/// The rooms that a line names through the crate's root.
fn named_rooms(line: &str) -> Vec<String> {
    ["crate::", "microcms_backup::"]
        .into_iter()
        .flat_map(|root| line.split(root).skip(1))
        .map(|rest| {
            let word = |c: char| c.is_ascii_lowercase() || c == '_';
            rest.chars().take_while(|c| word(*c)).collect()
        })
        .collect()
}

/// Whether `super::` leads out of the room.
fn leaves_room(line: &Line) -> bool {
    let longest = (1..).take_while(|n| line.text.contains(&"super::".repeat(*n)));
    let folders = line.file.matches('/').count();
    let is_mod = line.file.ends_with("/mod.rs");
    // In `store/open.rs` one `super` is the room and two are the crate; tests within stand deeper.
    let steps_to_crate = folders + usize::from(!is_mod) + usize::from(line.is_test);
    folders > 0 && longest.last().is_some_and(|steps| steps >= steps_to_crate)
}

/// Everything in a file that breaks a rule.
fn violations(file: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let lines = lines(file, text);
    for (index, line) in lines.iter().enumerate() {
        let room = line.room().to_owned();
        if room == "lib" {
            continue;
        }
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == room) else {
            wrong.push(line.wrong("this room is not in the table of tests/it/architecture.rs"));
            break;
        };
        for named in named_rooms(&line.text) {
            if named != room && !allowed.contains(&named.as_str()) {
                wrong.push(line.wrong(&format!("`{room}` does not know `{named}`")));
            }
        }
        if leaves_room(line) {
            wrong.push(line.wrong("name another room from the crate's root, not by `super`"));
        }
        if line.is_test {
            continue;
        }
        for only in &ONLY {
            let is_named = only.words.iter().any(|word| line.text.contains(word));
            if is_named && !line.is_in(only.places) {
                wrong.push(line.wrong(only.why));
            }
        }
        if line.is_in(&["model", "plan"]) && IMPURE.iter().any(|word| line.text.contains(word)) {
            wrong.push(line.wrong("the pure rooms only compute"));
        }
        if line.text.contains("tokio::spawn") && !line.text.contains("AbortOnDropHandle::new(") {
            let before = index.checked_sub(1).and_then(|index| lines.get(index));
            if !before.is_some_and(|line| line.text.ends_with("AbortOnDropHandle::new(")) {
                wrong.push(line.wrong("a task needs an owner that waits for it or ends it"));
            }
        }
    }
    wrong
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_room_keeps_to_its_own() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    files.sort();
    assert!(files.len() > 50, "where is the code? {files:?}");
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|path| {
            let file = path.strip_prefix(&src).expect("below src");
            let text = fs::read_to_string(path).expect("text");
            violations(file.to_str().expect("a plain name"), &text)
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_crate_s_map_names_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["src/lib.rs", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root.join(document)).expect(document);
        for (room, _) in EDGES.iter().filter(|(room, _)| *room != "main") {
            let is_named =
                text.contains(&format!("[`{room}`]")) || text.contains(&format!("`{room}`"));
            assert!(is_named, "{document} does not name `{room}`");
        }
    }
}

#[test]
fn each_rule_can_be_broken() {
    for (file, text) in [
        ("plan/media.rs", "use crate::store::Store;"),
        ("remote/api.rs", "    let x = crate::config::KEYS;"),
        ("main.rs", "use microcms_backup::sync::run;"),
        ("daemon/serve.rs", "use crate::store::Lock;"),
        ("daemon/serve.rs", "use tokio_cron_scheduler::Job;"),
        ("daemon/serve.rs", "use tokio::signal::unix;"),
        ("sync/run.rs", "use crate::{model, store};"),
        ("attic/mod.rs", "use std::fmt;"),
        ("store/open.rs", "use super::super::mirror::Mirror;"),
        ("sync/run.rs", "    client: reqwest::Client,"),
        ("store/media.rs", "#[serde(rename_all = \"camelCase\")]"),
        ("sync/run.rs", "    conn.execute(\"DELETE FROM media\")"),
        ("sync/run.rs", "use cap_std::fs::Dir;"),
        ("sync/run.rs", "use rustix::process::kill_process;"),
        ("cli/sync.rs", "    std::process::Command::new(program);"),
        ("sync/run.rs", "    std::fs::write(path, bytes)?;"),
        ("cli/sync.rs", "    println!(\"{text}\");"),
        ("cli/sync.rs", "    std::process::exit(1);"),
        ("store/lock.rs", "    let home = std::env::var(\"HOME\");"),
        ("sync/run.rs", "    let now = SystemTime::now();"),
        ("sync/run.rs", "    tokio::spawn(work());"),
        ("sync/run.rs", "    std::thread::spawn(work);"),
        ("model/time.rs", "use tokio::time::Instant;"),
        ("plan/media.rs", "use tracing::warn;"),
    ] {
        assert_eq!(violations(file, text).len(), 1, "{file}: {text}");
    }
}

#[test]
fn comments_and_tests_are_no_violations() {
    for (file, text) in [
        (
            "plan/media.rs",
            "// Not through crate::store: a decision has no database.",
        ),
        ("sync/run.rs", "let a = 1; // reqwest would say otherwise"),
        (
            "sync/media.rs",
            "let walk = AbortOnDropHandle::new(\n    tokio::spawn(walk()),\n);",
        ),
        (
            "cli/sync.rs",
            "#[cfg(test)]\nmod tests {\n    use super::super::args::Cli;\n    fs::write(a, b);\n}",
        ),
        ("mirror/tests.rs", "println!(\"skipped\");"),
        ("cli/sync.rs", "use super::output;"),
    ] {
        assert_eq!(violations(file, text), Vec::<String>::new(), "{text}");
    }
    let after_declared_tests = "#[cfg(test)]\nmod tests;\nuse reqwest::Client;";
    assert_eq!(violations("config/mod.rs", after_declared_tests).len(), 1);
}
