//! Promises of the whole room: from files and variables to a `Config` or to words.

mod secrets;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use config::{FileFormat, Format};
use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::{Config, ConfigError, KEYS, KeySource, Sources, load, load_with_key};

/// The example as it is shipped.
const EXAMPLE: &str = include_str!("../../config.example.toml");

/// A folder with what a test writes into it, and the sources that point at it.
struct Room {
    folder: TempDir,
    sources: Sources,
}

impl Room {
    fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            sources: Sources::default(),
        }
    }

    fn with_file(text: &str) -> Self {
        let mut room = Self::empty();
        room.sources.file = Some(room.write("config.toml", text));
        room
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file in a temporary folder");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.sources.env.insert(name.to_owned(), value.to_owned());
        self
    }

    fn config(&self) -> Config {
        load(&self.sources).expect("a usable configuration")
    }

    /// The problems in words, the temporary folder left out.
    fn problems(&self) -> Vec<String> {
        self.words(load(&self.sources).map(drop))
    }

    fn problems_with_key(&self) -> Vec<String> {
        self.words(load_with_key(&self.sources).map(drop))
    }

    fn words(&self, result: Result<(), ConfigError>) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        match result {
            Ok(()) => Vec::new(),
            Err(ConfigError::Invalid { problems }) => problems
                .iter()
                .map(|problem| problem.to_string().replace(&folder, ""))
                .collect(),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn the_example_states_every_default_and_names_every_key() {
    let example = Room::with_file(EXAMPLE).config();
    let defaults = Room::empty()
        .set("MICROCMS_SERVICE_ID", "my-service")
        .config();
    assert_eq!(
        Config {
            file: None,
            ..example
        },
        defaults
    );

    // With the commented keys switched on it is still one valid file, and then it has them all.
    let is_key = |line: &&str| line.contains(" = ") && !line.contains(" is ");
    let all: String = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(is_key).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut stated = keys_of(&all);
    let mut known: Vec<String> = KEYS.iter().map(|key| (*key).to_owned()).collect();
    stated.sort();
    known.sort();
    assert_eq!(stated, known);
    Room::with_file(&all).config();
}

/// The `section.key`s of a TOML text, by way of the crate that reads it in earnest.
fn keys_of(text: &str) -> Vec<String> {
    let sections = FileFormat::Toml.parse(None, text).expect("valid TOML");
    let keys = |(section, value): (String, config::Value)| {
        let table = value.into_table().expect("a section");
        table.into_keys().map(move |key| format!("{section}.{key}"))
    };
    sections.into_iter().flat_map(keys).collect()
}

#[test]
fn the_environment_alone_is_enough() {
    let config = Room::empty()
        .set("MICROCMS_SERVICE_ID", "my-service")
        .set("MICROCMS_BACKUP__LIMITS__DOWNLOADS", "4")
        .set(
            "MICROCMS_BACKUP__ASSETS__HOSTS",
            "CDN.example.com, 127.0.0.1:8080",
        )
        .set("MICROCMS_BACKUP__SERVICE__ENDPOINTS", "blog,news")
        .set("MICROCMS_BACKUP__RETENTION__DELETED", "365d")
        .config();
    assert_eq!(config.file, None);
    assert_eq!(config.limits.downloads, 4);
    assert_eq!(config.assets.hosts, ["cdn.example.com", "127.0.0.1:8080"]);
    let endpoints = config.service.endpoints.expect("two endpoints");
    assert_eq!(
        endpoints.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["blog", "news"]
    );
    assert_eq!(
        config.retention.deleted,
        Some(Duration::from_secs(365 * 86_400))
    );
    assert_eq!(
        config.service.content_url.as_str(),
        "https://my-service.microcms.io/"
    );
    assert_eq!(
        config.service.management_url.as_str(),
        "https://my-service.microcms-management.io/"
    );
}

#[test]
fn the_stronger_source_wins_key_by_key() {
    let file = "[service]\nid = \"from-file\"\n[limits]\ndownloads = 2\ncontent_per_second = 3\n";
    let room = Room::with_file(file).set("MICROCMS_BACKUP__LIMITS__DOWNLOADS", "4");
    assert_eq!(room.config().limits.downloads, 4);
    assert_eq!(room.config().limits.content_per_second, 3);
    assert_eq!(room.config().service.id, "from-file");
    let room = room.set("MICROCMS_SERVICE_DOMAIN", "from-domain");
    assert_eq!(room.config().service.id, "from-domain");
    let room = room.set("MICROCMS_SERVICE_ID", "from-id");
    assert_eq!(room.config().service.id, "from-id");
    let room = room.set("MICROCMS_BACKUP__SERVICE__ID", "from-ours");
    assert_eq!(room.config().service.id, "from-ours");
}

#[test]
fn all_problems_are_told_at_once_with_key_value_and_place() {
    let file = r#"
        downloads = 3
        colour = "red"
        [service]
        id = "https://my-service.microcms.io"
        endpoints = ["blog", "a/b", "blog"]
        [storage]
        mirror = "x"
        archive = "x/old"
        databse = "y"
        [limits]
        downloads = 0
        management_per_10s = "8"
        bandwidth = 1000
        [schedule]
        cron = "7 * * * *"
        timezone = "Asia/Tokio"
        [assets]
        hosts = []
    "#;
    let room = Room::with_file(file)
        .set("MICROCMS_BACKUP__LIMITS__CONTENT_PER_SECOND", "61")
        .set("MICROCMS_BACKUP__LIMIT__DOWNLOAD", "3");
    assert_eq!(
        room.problems(),
        [
            "colour: is not a known key; the nearest is `service.content_url` [config.toml]",
            "downloads: is not a known key; did you mean `limits.downloads`? [config.toml]",
            "storage.databse: is not a known key; did you mean `storage.database`? [config.toml]",
            "limit.download: is not a known key; did you mean \
         `MICROCMS_BACKUP__LIMITS__DOWNLOADS`? \
         [environment variable MICROCMS_BACKUP__LIMIT__DOWNLOAD]",
            "service.id: `https://my-service.microcms.io` is an address; write only `my-service` \
         [config.toml]",
            "service.endpoints: `a/b` is not a usable endpoint: only letters, digits, `-` and `_` may \
         stand in it [config.toml]",
            "service.endpoints: `blog` is listed twice [config.toml]",
            "storage.archive: lies inside `storage.mirror` and would be served with it [config.toml]",
            "schedule.timezone: `Asia/Tokio` is not a time zone; did you mean `Asia/Tokyo`? \
         [config.toml]",
            "schedule.cron: `7 * * * *` is not a cron line (expected 6 fields, got 5); put `0 ` before \
         it for the seconds [config.toml]",
            "limits.management_per_10s: expected a whole number, found the text `8` [config.toml]",
            "limits.content_per_second: `61` is out of range (1 to 60) \
         [environment variable MICROCMS_BACKUP__LIMITS__CONTENT_PER_SECOND]",
            "limits.downloads: `0` is out of range (1 to 64) [config.toml]",
            "limits.bandwidth: expected text in quotes, found the number `1000` [config.toml]",
            "assets.hosts: is an empty list; leave the key out for the default [config.toml]",
        ]
    );
}

#[test]
fn wrong_kinds_are_named() {
    let file = "limits = 3\n[service]\nid = 5\nendpoints = \"blog\"\n[assets]\nhosts = [1]\n\
                [retention]\ndeleted = true\nsuperseded = 1.5\n[storage]\nmirror = \"\"\n";
    assert_eq!(
        Room::with_file(file).problems(),
        [
            "limits: is a section; write `[limits]` on a line of its own [config.toml]",
            "service.id: expected text in quotes, found the number `5` [config.toml]",
            "service.endpoints: expected a list of texts such as `[\"blog\"]`, found the text `blog` \
         [config.toml]",
            "storage.mirror: is empty; write a path [config.toml]",
            "assets.hosts: expected a list of texts such as `[\"images.microcms-assets.io\"]`, found \
         a list [config.toml]",
            "retention.superseded: expected text in quotes, found the number `1.5` [config.toml]",
            "retention.deleted: expected text in quotes, found `true` [config.toml]",
        ]
    );
}

#[test]
fn a_schedule_says_yes_or_no_and_its_jitter_fits_between_two_ticks() {
    let room = |text: &str| Room::with_file(&format!("service.id = \"a\"\n[schedule]\n{text}\n"));
    let config = room("run_at_start = false\njitter = \"59m\"\nretry = \"2m\"")
        .set("MICROCMS_API_KEY", "k")
        .config();
    assert!(!config.schedule.run_at_start);
    assert_eq!(config.schedule.jitter, Duration::from_secs(59 * 60));
    assert_eq!(config.schedule.retry, Duration::from_secs(120));
    let from_env = room("").set("MICROCMS_BACKUP__SCHEDULE__RUN_AT_START", "false");
    assert!(!from_env.config().schedule.run_at_start);
    for (text, problem) in [
        (
            "run_at_start = \"no\"",
            "schedule.run_at_start: expected `true` or `false`, found the text `no` [config.toml]",
        ),
        (
            "cron = \"0 */5 * * * *\"\njitter = \"5m\"",
            "schedule.jitter: `5m` must be shorter than the time between two ticks of `schedule.cron`, \
             which is 5m [config.toml]",
        ),
        (
            "retry = \"0s\"",
            "schedule.retry: `0s` is out of range (1s to 1day) [config.toml]",
        ),
        (
            "[health]\nmax_age = \"0s\"",
            "health.max_age: `0s` is too short; it is at least 1s [config.toml]",
        ),
        (
            "[health]\nmax_age = \"20years\"",
            "health.max_age: `20years` is too long; it is 10 years at most [config.toml]",
        ),
    ] {
        assert_eq!(room(text).problems(), [problem]);
    }
}

#[test]
fn a_database_that_is_a_folder_is_refused() {
    let file = "[service]\nid = \"a\"\n[storage]\ndatabase = \"backup/\"\n";
    let problems = Room::with_file(file).problems();
    let text = "storage.database: `backup/` names a folder; write the name of a file in it";
    // It contradicts nothing else: the default stands in for it.
    assert_eq!(problems, [format!("{text} [config.toml]")]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the environment, there is a configuration or there are problems, each
    /// with its place, and no panic in a parser.
    #[test]
    fn no_value_of_any_key_brings_the_reading_down(
        key in proptest::sample::select(KEYS),
        value in prop_oneof!["(?s).{0,20}", "[-0-9*/,LW#?A-Z. ]{0,24}", "[a-z0-9:/@.\\[\\]%-]{0,24}"],
    ) {
        let name = super::keys::variable(key);
        let room = Room::empty().set("MICROCMS_SERVICE_ID", "a").set(&name, &value);
        for problem in room.problems() {
            // Two paths that contradict each other are told at one of them, and name both.
            let is_named = problem.contains(&name) || problem.contains(key);
            prop_assert!(is_named && !problem.contains('\n'), "{problem}");
        }
    }

    #[test]
    fn no_cron_line_of_six_fields_brings_the_reading_down(
        fields in proptest::collection::vec("[-0-9*/,LW#?+A-C]{1,6}", 6),
    ) {
        let room = Room::empty()
            .set("MICROCMS_SERVICE_ID", "a")
            .set("MICROCMS_BACKUP__SCHEDULE__CRON", &fields.join(" "));
        prop_assert!(room.problems().len() <= 1);
    }

    #[test]
    fn no_file_brings_the_reading_down(text in "[a-z_\\[\\]=\" .\n0-9#{}'-]{0,80}") {
        // Not TOML is an error, too, which `load` returns and `words` would panic about.
        if let Err(error) = load(&Room::with_file(&text).sources) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn the_two_apis_of_the_real_service_never_share_a_host() {
    let file = |host: &str| {
        format!("[service]\nid = \"a\"\nmanagement_url = \"{host}\"\ncontent_url = \"{host}\"\n")
    };
    assert_eq!(
        Room::with_file(&file("https://a.microcms.io")).problems(),
        [
            "service.content_url: `https://a.microcms.io/` is the same as `service.management_url`; \
         the APIs have different hosts [config.toml]"
        ]
    );
    assert!(
        Room::with_file(&file("http://127.0.0.1:3000"))
            .problems()
            .is_empty()
    );
}

#[test]
fn a_missing_service_id_is_said_with_both_ways_to_set_it() {
    let text = "service.id: is missing; set it to the first part of your `….microcms.io` address, \
                here or as MICROCMS_SERVICE_ID";
    assert_eq!(Room::empty().problems(), [text]);
    assert_eq!(
        Room::with_file("").problems(),
        [format!("{text} [config.toml]")]
    );
}

#[test]
fn the_first_file_of_the_search_is_used_and_a_given_one_must_exist() {
    let mut room = Room::empty();
    let second = room.write("second.toml", "[service]\nid = \"second\"\n");
    room.sources.search = vec![room.folder.path().join("first.toml"), second];
    assert_eq!(room.config().service.id, "second");
    room.write("first.toml", "[service]\nid = \"first\"\n");
    assert_eq!(room.config().service.id, "first");

    room.sources.file = Some(room.folder.path().join("missing.toml"));
    let error = load(&room.sources).expect_err("no such file");
    assert!(
        error
            .to_string()
            .starts_with("cannot read the configuration file `"),
        "{error}"
    );
    // A folder by that name is not skipped either: the next file would not be the one meant.
    room.sources.file = None;
    room.sources.search = vec![room.folder.path().to_owned()];
    assert!(matches!(
        load(&room.sources),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn a_syntax_error_names_the_line_and_never_repeats_it() {
    let room = Room::with_file("[service]\nid = \"a\"\napi_key = s3cretkey\n");
    let error = load(&room.sources).expect_err("not TOML").to_string();
    assert!(
        error.contains("is not valid TOML: line 3, column 11"),
        "{error}"
    );
    assert!(!error.contains("s3cretkey"), "{error}");
    assert!(!error.contains('\n'), "{error:?}");
}

#[test]
fn one_underscore_too_few_is_a_warning_and_kubernetes_names_are_none() {
    let config = Room::empty()
        .set("MICROCMS_SERVICE_ID", "a")
        .set("MICROCMS_BACKUP_LIMITS_DOWNLOADS", "4")
        .set("MICROCMS_BACKUP_SERVICE_HOST", "10.0.0.1")
        .set("MICROCMS_BACKUP_PORT", "tcp://10.0.0.1:80")
        .config();
    assert_eq!(config.limits.downloads, 16);
    assert_eq!(
        config.warnings,
        [
            "environment variable MICROCMS_BACKUP_LIMITS_DOWNLOADS is not \
        read; write MICROCMS_BACKUP__LIMITS__DOWNLOADS"
        ]
    );
}

#[test]
fn a_hook_is_a_whole_path_with_arguments_that_may_repeat() {
    let room = |text: &str| Room::with_file(&format!("service.id = \"a\"\n[hooks]\n{text}\n"));
    let hooks = room("before = [\"/bin/x\", \"-v\", \"-v\"]\ntimeout = \"30s\"")
        .config()
        .hooks;
    let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(hooks.before, words(&["/bin/x", "-v", "-v"]));
    assert_eq!(hooks.timeout, Duration::from_secs(30));
    let from_env = room("").set("MICROCMS_BACKUP__HOOKS__FAILED", "/bin/x, -v");
    assert_eq!(from_env.config().hooks.failed, words(&["/bin/x", "-v"]));
    for (text, problem) in [
        (
            "after = \"/bin/x -v\"",
            "hooks.after: expected a list of texts such as `[\"/usr/local/bin/my-hook\", \"an argument\"]`, \
             found the text `/bin/x -v` [config.toml]",
        ),
        (
            "after = [\"x\"]",
            "hooks.after: `x` is not the whole path of a program, such as `/usr/local/bin/my-hook` \
             [config.toml]",
        ),
        (
            "after = []",
            "hooks.after: is an empty list; leave the key out for no command [config.toml]",
        ),
        (
            "timeout = \"0s\"",
            "hooks.timeout: `0s` is out of range (1s to 1day) [config.toml]",
        ),
    ] {
        assert_eq!(room(text).problems(), [problem]);
    }
}

#[test]
fn no_hook_gets_the_variables_that_configure_the_program() {
    let room = Room::with_file("service.id = \"a\"\n")
        .set("MICROCMS_API_KEY", "k")
        .set("MICROCMS_BACKUP__LIMITS__DOWNLOADS", "4")
        .set("NO_COLOR", "1");
    let (config, _key) = load_with_key(&room.sources).expect("a usable configuration");
    assert_eq!(
        config.hooks.hidden,
        ["MICROCMS_API_KEY", "MICROCMS_BACKUP__LIMITS__DOWNLOADS"]
    );
}
