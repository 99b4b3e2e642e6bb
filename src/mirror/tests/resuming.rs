//! Beginnings of files that stay until the rest comes.

use super::*;

const LARGE: usize = 700_000;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i % 251).unwrap()).collect()
}

fn kept(mirror: &Mirror, id: &str, len: usize) -> Kept {
    let mut partial = mirror.begin(id, 0);
    partial.write(&bytes(LARGE)[..len]).unwrap();
    partial.keep().unwrap()
}

#[test]
fn a_kept_beginning_survives_the_process_and_becomes_the_whole_file() {
    for len in [10, LARGE / 2, LARGE] {
        let home = Home::new();
        let kept = kept(&home.open(), "id/../é", len);
        assert_eq!(kept.bytes, len as u64);
        assert_eq!(home.temporary_files().len(), 1);

        let mirror = home.open();
        let mut partial = mirror
            .resume("id/../é", &kept)
            .unwrap()
            .expect("it is there");
        assert_eq!(partial.bytes(), len as u64);
        partial.write(&bytes(LARGE)[len..]).unwrap();
        let mut finished = partial
            .finish(Expect {
                len: Some(LARGE as u64),
            })
            .unwrap();
        assert_eq!(finished.sha256(), Digest::of(&bytes(LARGE)));
        assert_eq!(finished.head(), &bytes(512)[..]);
        finished.publish(&rel("h.io/a/f"), None).unwrap();
        assert_eq!(home.read("h.io/a/f"), Some(bytes(LARGE)));
        assert!(home.temporary_files().is_empty());
    }
}

#[test]
fn what_was_written_behind_the_last_keeping_is_cut_off() {
    let home = Home::new();
    let mirror = home.open();
    let mut partial = mirror.begin("id", 0);
    partial.write(&bytes(LARGE)[..300_000]).unwrap();
    let kept = partial.keep().unwrap();
    partial.write(&vec![7; LARGE]).unwrap();
    drop(partial);
    let mut partial = mirror.resume("id", &kept).unwrap().expect("it is there");
    partial.write(&bytes(LARGE)[300_000..]).unwrap();
    let finished = partial.finish(Expect::default()).unwrap();
    assert_eq!(finished.sha256(), Digest::of(&bytes(LARGE)));
}

#[test]
fn a_beginning_that_is_not_what_was_kept_is_removed() {
    for damage in [0_u8, 1] {
        let home = Home::new();
        let kept = kept(&home.open(), "id", LARGE);
        let file = &home.temporary_files()[0];
        let mut found = fs::read(file).unwrap();
        if damage == 0 {
            // As a power cut may leave it: the right length, and other bytes.
            found[LARGE / 2] ^= 1;
        } else {
            found.truncate(LARGE - 1);
        }
        fs::write(file, found).unwrap();
        assert!(home.open().resume("id", &kept).unwrap().is_none());
        assert!(home.temporary_files().is_empty());
        assert!(home.open().resume("id", &kept).unwrap().is_none());
    }
}

#[test]
fn a_beginning_that_is_let_go_or_becomes_a_bad_whole_leaves_nothing() {
    let home = Home::new();
    let mirror = home.open();
    let of = kept(&mirror, "id", LARGE);
    mirror.resume("id", &of).unwrap().unwrap().discard();
    assert!(home.temporary_files().is_empty());
    let of = kept(&mirror, "id", LARGE);
    let partial = mirror.resume("id", &of).unwrap().unwrap();
    drop(partial.finish(Expect::default()).unwrap());
    assert!(home.temporary_files().is_empty());
    let of = kept(&mirror, "id", LARGE);
    let partial = mirror.resume("id", &of).unwrap().unwrap();
    let longer = Expect {
        len: Some(LARGE as u64 + 1),
    };
    partial.finish(longer).unwrap_err();
    assert_eq!(home.temporary_files().len(), 1, "the rest may still come");
    mirror.drop_kept("id").unwrap();
    mirror.drop_kept("id").unwrap();
    assert!(home.temporary_files().is_empty());
}

#[test]
fn a_later_beginning_takes_the_place_of_an_earlier_one() {
    let home = Home::new();
    let mirror = home.open();
    kept(&mirror, "id", LARGE);
    let of = kept(&mirror, "id", LARGE / 2);
    assert_eq!(home.temporary_files().len(), 1);
    assert!(mirror.resume("id", &of).unwrap().is_some());
}

#[test]
fn beginnings_that_nobody_knows_are_sifted_out() {
    let home = Home::new();
    let mirror = home.open();
    for id in ["a", "b", "c"] {
        kept(&mirror, id, 1_000);
    }
    assert_eq!(mirror.sift_kept(["b"]).unwrap(), 2);
    assert_eq!(mirror.sift_kept(["b"]).unwrap(), 0);
    assert_eq!(home.temporary_files().len(), 1);
}

#[test]
fn the_end_of_what_is_here_can_be_read_wherever_it_is() {
    let home = Home::new();
    let mirror = home.open();
    for len in [5, 2_000, LARGE] {
        let mut partial = mirror.begin("id", 0);
        for piece in bytes(len).chunks(100_000) {
            partial.write(piece).unwrap();
        }
        let tail = partial.tail(1_024).unwrap();
        assert_eq!(tail, bytes(len)[len.saturating_sub(1_024)..], "{len}");
        partial.write(b"more").unwrap();
        assert!(partial.tail(4).unwrap().ends_with(b"more"));
        let finished = partial.finish(Expect::default()).unwrap();
        assert_eq!(finished.bytes(), len as u64 + 4);
    }
}
