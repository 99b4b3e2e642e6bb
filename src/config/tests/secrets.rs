//! Keys and addresses that are secret: where they come from, and that nothing shows them.

use super::*;

#[test]
fn a_key_in_the_file_is_refused_without_showing_it() {
    let room = Room::with_file("[service]\nid = \"a\"\napi_key = \"s3cretkey\"\n")
        .set("MICROCMS_BACKUP__SERVICE__API_KEY", "s3cretkey");
    let text = "service.api_key: the API key does not belong here; put it into a file of its own \
                and name that in `service.api_key_file`, or set `MICROCMS_API_KEY`";
    assert_eq!(
        room.problems(),
        [
            format!("{text} [config.toml]"),
            format!("{text} [environment variable MICROCMS_BACKUP__SERVICE__API_KEY]"),
        ]
    );
}

#[test]
fn the_key_is_taken_from_the_strongest_source_and_never_shown() {
    let mut room = Room::empty().set("MICROCMS_SERVICE_ID", "a");
    room.write("api-key", "from-credential\n");
    let folder = room.folder.path().display().to_string();
    room = room.set("CREDENTIALS_DIRECTORY", &folder);
    let found = |room: &Room| {
        let (config, key) = load_with_key(&room.sources).expect("a key");
        let shown = format!("{config:?} {key:?} {}", key.source);
        assert!(!shown.contains(key.secret.expose_secret()), "{shown}");
        (key.secret.expose_secret().to_owned(), key.source)
    };
    let (key, source) = found(&room);
    assert_eq!(key, "from-credential");
    assert!(matches!(source, KeySource::Credential(_)), "{source:?}");

    let path = room.write("secret.txt", "  0123456\r\n");
    room = room.set(
        "MICROCMS_BACKUP__SERVICE__API_KEY_FILE",
        &path.display().to_string(),
    );
    // The zero in front stays: a key is text, whatever it looks like.
    assert_eq!(found(&room), ("0123456".to_owned(), KeySource::File(path)));

    room = room.set("MICROCMS_API_KEY", "");
    assert_eq!(
        found(&room).0,
        "0123456",
        "an empty variable counts as not set"
    );
    room = room.set("MICROCMS_API_KEY", "from-variable");
    assert_eq!(
        found(&room),
        ("from-variable".to_owned(), KeySource::Variable)
    );
}

#[test]
fn every_way_a_key_can_be_bad_has_its_words() {
    let file = |name: &str| {
        let mut room = Room::empty().set("MICROCMS_SERVICE_ID", "a");
        let path = room.folder.path().join(name).display().to_string();
        room = room.set("MICROCMS_BACKUP__SERVICE__API_KEY_FILE", &path);
        room
    };
    let at = "[environment variable MICROCMS_BACKUP__SERVICE__API_KEY_FILE]";
    assert_eq!(
        file("k").problems_with_key(),
        [format!(
            "service.api_key_file: file `k` cannot be read: there is no such file {at}"
        )]
    );
    for (text, words) in [
        ("", "is empty; it must hold the API key"),
        (
            "a b",
            "has white space inside; it must hold the key and nothing else",
        ),
        (
            "ｋｅｙ",
            "has characters that no API key has; copy it again from the microCMS admin screen",
        ),
        (
            &"k".repeat(4097),
            "is longer than 4096 bytes; it must hold the key and nothing else",
        ),
    ] {
        let room = file("k");
        room.write("k", text);
        let expected = format!("service.api_key_file: file `k` {words} {at}");
        assert_eq!(room.problems_with_key(), [expected]);
    }

    let pasted = Room::empty().set("MICROCMS_SERVICE_ID", "a").set(
        "MICROCMS_BACKUP__SERVICE__API_KEY_FILE",
        &"0123456789ab".repeat(3),
    );
    assert_eq!(
        pasted.problems_with_key(),
        [format!(
            "service.api_key_file: holds what looks like the key itself; write it to a file and name \
         that {at}"
        )]
    );

    let none = Room::empty().set("MICROCMS_API_KEY", " ");
    assert_eq!(
        none.problems_with_key()[1..],
        ["API key: is missing (MICROCMS_API_KEY is set but \
        empty); set MICROCMS_API_KEY or `service.api_key_file`, or pass the systemd credential \
        `api-key`"]
    );
    let bad = Room::empty()
        .set("MICROCMS_SERVICE_ID", "a")
        .set("MICROCMS_API_KEY", "a b");
    assert_eq!(
        bad.problems_with_key(),
        ["API key: environment variable MICROCMS_API_KEY has white \
        space inside; it must hold the key and nothing else"]
    );
}

#[test]
fn a_key_file_that_others_can_read_is_a_warning() {
    let room = Room::empty().set("MICROCMS_SERVICE_ID", "a");
    let path = room.write("k", "key\n");
    let room = room.set(
        "MICROCMS_BACKUP__SERVICE__API_KEY_FILE",
        &path.display().to_string(),
    );
    let warnings = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
        load_with_key(&room.sources).expect("a key").0.warnings
    };
    assert!(warnings(0o600).is_empty());
    let found = warnings(0o644);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with("can be read by others (mode 0644); `chmod 600` it"),
        "{found:?}"
    );
}

#[test]
fn a_url_to_tell_comes_from_the_configuration_or_a_file_or_a_credential_in_this_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("heartbeat"), "https://h.example/cred\n").expect("a credential");
    fs::write(folder.path().join("webhook"), "https://w.example/cred\n").expect("a credential");
    let urls = |room: &Room| {
        let (config, _key) = load_with_key(&room.sources).expect("a usable configuration");
        [config.notify.heartbeat, config.notify.webhook]
            .map(|url| url.map(|url| url.secret().expose_secret().to_owned()))
    };
    let room = Room::with_file("[service]\nid = \"a\"\n").set("MICROCMS_API_KEY", "k");
    assert_eq!(urls(&room), [None, None]);
    let room = room.set(
        "CREDENTIALS_DIRECTORY",
        folder.path().to_str().expect("UTF-8"),
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        urls(&room),
        [
            some("https://h.example/cred"),
            some("https://w.example/cred")
        ]
    );
    let file = room.write("url", "https://h.example/file\n");
    let room = room.set(
        "MICROCMS_BACKUP__NOTIFY__HEARTBEAT_FILE",
        file.to_str().expect("UTF-8"),
    );
    assert_eq!(urls(&room)[0], some("https://h.example/file"));
    let room = room.set(
        "MICROCMS_BACKUP__NOTIFY__HEARTBEAT",
        "https://h.example/env",
    );
    assert_eq!(urls(&room)[0], some("https://h.example/env"));
}

#[test]
fn a_wrong_url_to_tell_is_named_by_its_key_and_never_shown() {
    let room = Room::with_file(
        "service.id = \"a\"\n[notify]\nheartbeat = \"http://example.com/t0ken\"\nwebhook_file = \"hook\"\n\
         webhook_on = \"sometimes\"\n",
    )
    .set("MICROCMS_API_KEY", "k");
    assert_eq!(
        room.problems_with_key(),
        [
            "notify.heartbeat: must begin with `https://`; `http` is for this machine only \
             [config.toml]",
            "notify.webhook_on: `sometimes` is none of `failure`, `always` and `change` [config.toml]",
            "notify.webhook_file: file `hook` cannot be read: there is no such file [config.toml]",
        ]
    );
    // Whoever only asks need not be able to read the secrets.
    let room = Room::with_file("service.id = \"a\"\n[notify]\nwebhook_file = \"hook\"\n");
    assert_eq!(room.problems(), Vec::<String>::new());
    let room = Room::with_file(
        "service.id = \"a\"\n[notify]\nwebhook_file = \"https://example.com/t0ken\"\n",
    );
    assert_eq!(
        room.problems(),
        [
            "notify.webhook_file: holds what looks like the URL itself; write it to a file and name that \
          [config.toml]"
        ]
    );
}

#[test]
fn a_url_in_a_file_that_others_read_is_warned_about_and_not_shown() {
    let room = Room::with_file(
        "service.id = \"a\"\n[notify]\nheartbeat = \"https://example.com/t0ken\"\n",
    )
    .set("MICROCMS_API_KEY", "k");
    let warnings = || load_with_key(&room.sources).expect("usable").0.warnings;
    assert_eq!(warnings(), Vec::<String>::new());
    let file = room.sources.file.clone().expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("its mode");
    let said = warnings();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("`notify.heartbeat`"), "{said:?}");
    assert!(!said[0].contains("t0ken"), "{said:?}");
}
