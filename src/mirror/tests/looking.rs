use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use super::*;
use crate::model::path::OnDisk;

#[test]
fn a_look_tells_intact_missing_and_damaged_apart() {
    let home = Home::new();
    let mirror = home.open();
    home.put("h.io/file", b"12345");
    home.put("h.io/folder/x", b"");
    symlink(home.file("h.io/file"), home.file("h.io/link")).unwrap();
    let table = [
        ("h.io/file", 5, OnDisk::Intact),
        ("h.io/file", 6, OnDisk::Damaged),
        ("h.io/folder", 5, OnDisk::Damaged),
        ("h.io/link", 5, OnDisk::Damaged),
        ("h.io/none", 5, OnDisk::Missing),
        ("h.io/none/deeper", 5, OnDisk::Missing),
        ("h.io/file/deeper", 5, OnDisk::Missing),
    ];
    for (path, bytes, expected) in table {
        assert_eq!(mirror.check(&rel(path), bytes).unwrap(), expected, "{path}");
    }
}

#[test]
fn many_looks_tell_what_single_ones_tell() {
    let home = Home::new();
    let _mirror = home.open();
    let outside = tempfile::tempdir().unwrap();
    fs::create_dir(outside.path().join("out")).unwrap();
    fs::write(outside.path().join("out/file"), b"12345").unwrap();
    let names: Vec<String> = (0..200).map(|i| format!("{i:03}")).collect();
    for host in ["a.io", "b.io"] {
        for (i, name) in names.iter().enumerate() {
            let folder = home.file(&format!("{host}/all/{name}"));
            home.put(&format!("{host}/all/hidden/{name}/file"), b"12345");
            match i % 7 {
                0 => home.put(&format!("{host}/all/{name}/file"), b"1234"),
                1 => {}
                2 => home.put(
                    &format!("{host}/all/{name}"),
                    b"a file in the folder's place",
                ),
                3 => home.put(&format!("{host}/all/{name}/file/x"), b""),
                4 => symlink(format!("hidden/{name}"), folder).unwrap(),
                5 => symlink(outside.path().join("out"), folder).unwrap(),
                _ => home.put(&format!("{host}/all/{name}/file"), b"12345"),
            }
        }
    }
    symlink("all", home.file("a.io/linked")).unwrap();
    home.put("a.io/file", b"12345");
    let reader = Reader::open(&home.options()).unwrap();
    let mut glances = Glances::new(reader.clone());
    let tell = |found: Result<OnDisk, MirrorError>| match found {
        Ok(on_disk) => format!("{on_disk:?}"),
        Err(err) => format!("{err}, no answer: {}", err.is_no_answer()),
    };
    let mut told = BTreeMap::new();
    for name in &names {
        for place in ["a.io/all", "b.io/all", "a.io/linked", "c.io/all"] {
            let path = rel(&format!("{place}/{name}/file"));
            let glance = tell(glances.check(&path, 5));
            assert_eq!(glance, tell(reader.check(&path, 5)), "{path}");
            *told
                .entry(glance.split(' ').next().unwrap().to_owned())
                .or_insert(0) += 1;
        }
        let top = rel("a.io/file");
        assert_eq!(glances.check(&top, 5).unwrap(), OnDisk::Intact);
    }
    // Of each kind some, or nothing was compared.
    assert_eq!(told.len(), 4, "{told:?}");
}

#[test]
fn many_looks_do_not_follow_a_folder_that_is_a_link_out_of_the_mirror() {
    let home = Home::new();
    let _mirror = home.open();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("file"), b"12345").unwrap();
    for i in 0..300 {
        home.put(&format!("h.io/all/{i}/file"), b"12345");
    }
    symlink(outside.path(), home.file("h.io/all/link")).unwrap();
    let mut glances = Glances::new(Reader::open(&home.options()).unwrap());
    for i in 0..300 {
        let path = rel(&format!("h.io/all/{i}/file"));
        assert_eq!(glances.check(&path, 5).unwrap(), OnDisk::Intact);
    }
    let err = glances.check(&rel("h.io/all/link/file"), 5).unwrap_err();
    assert!(!err.is_no_answer(), "{err}");
}

#[test]
fn hashing_reads_every_byte_and_follows_no_link() {
    let home = Home::new();
    let mirror = home.open();
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i % 253) as u8).collect();
    home.put("h.io/a/file", &bytes);
    symlink(home.file("h.io/a/file"), home.file("h.io/a/link")).unwrap();
    symlink(home.file("h.io/a"), home.file("h.io/b")).unwrap();
    let hashed = mirror.hash(&rel("h.io/a/file")).unwrap();
    assert_eq!(
        hashed,
        Some(Hashed {
            sha256: Digest::of(&bytes),
            bytes: 300_000
        })
    );
    for path in [
        "h.io/a/link",
        "h.io/b/file",
        "h.io/a",
        "h.io/none",
        "h.io/a/file/x",
    ] {
        assert_eq!(mirror.hash(&rel(path)).unwrap(), None, "{path}");
        assert!(mirror.open_file(&rel(path)).unwrap().is_none(), "{path}");
    }
    assert!(mirror.open_file(&rel("h.io/a/file")).unwrap().is_some());
}

#[test]
fn a_scan_meets_every_file_once_and_no_temporary_one() {
    let home = Home::new();
    let mirror = home.open();
    let mut expected = BTreeMap::new();
    for i in 0..50_u64 {
        let path = format!("h.io/{}/{i}/f", i % 3);
        home.put(&path, &vec![0; usize::try_from(i).unwrap()]);
        expected.insert(PathBuf::from(path), Some(i));
    }
    symlink("/etc", home.file("h.io/link")).unwrap();
    expected.insert("h.io/link".into(), None);
    home.put(".tmp/part-1-1-x", b"temporary");
    mirror.save_whole(b"new", &rel("h.io/0/0/f"), None).unwrap();
    expected.insert("h.io/0/0/f".into(), Some(3));
    let found: BTreeMap<_, _> = mirror
        .scan()
        .map(|found| found.map(|found| (found.path, found.bytes)).unwrap())
        .collect();
    assert_eq!(found, expected);
    let archived: Vec<_> = mirror
        .scan_archive()
        .map(|found| found.unwrap().path)
        .collect();
    assert_eq!(archived, [archive_place(b"")]);
}

#[test]
fn a_reader_looks_beside_a_run_and_changes_nothing() {
    let home = Home::new();
    assert!(Reader::open(&home.options()).is_err());
    assert!(!home.root().exists());
    home.put("h.io/a", b"v1");
    home.put(".tmp/part-1-1-x", b"of a run that goes on");
    let reader = Reader::open(&home.options()).unwrap();
    assert!(!home.archive().exists());
    assert_eq!(reader.check(&rel("h.io/a"), 2).unwrap(), OnDisk::Intact);
    assert_eq!(reader.hash_archived(&Digest::of(b"v1")).unwrap(), None);
    assert!(reader.open_archived(&Digest::of(b"v1")).unwrap().is_none());
    assert_eq!(reader.scan_archive().count(), 0);
    assert_eq!(home.temporary_files().len(), 1);
    let space = reader.free_space().unwrap();
    assert!(space.bytes > 0 && space.inodes != Some(0));
}

#[test]
fn pruning_removes_one_file_and_says_if_it_was_there() {
    let home = Home::new();
    let mirror = home.open();
    mirror.save_whole(b"v1", &rel("h.io/a/f"), None).unwrap();
    mirror.save_whole(b"v2", &rel("h.io/a/f"), None).unwrap();
    assert!(mirror.remove(&rel("h.io/a/f")).unwrap());
    assert!(!mirror.remove(&rel("h.io/a/f")).unwrap());
    assert!(!mirror.remove(&rel("h.io/none/f")).unwrap());
    assert!(mirror.remove_archived(&Digest::of(b"v1")).unwrap());
    assert!(!mirror.remove_archived(&Digest::of(b"v1")).unwrap());
    assert!(files_below(&home.root()).is_empty() && files_below(&home.archive()).is_empty());
}

#[test]
fn a_digest_reads_what_it_prints() {
    let digest = Digest::of(b"abc");
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse::<Digest>().unwrap(), digest);
    for wrong in [
        "",
        "ba78",
        text.get(1..).unwrap(),
        &format!("{text}00"),
        "../../../../etc/passwd",
    ] {
        assert!(wrong.parse::<Digest>().is_err());
    }
}
