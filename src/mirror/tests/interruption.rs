//! Stop after step n, for every n: as a crash and as a failure. Then do it again: same end.

use std::sync::atomic::Ordering::SeqCst;

use rustix::io::Errno;

use super::*;

/// One save, with what is there before.
struct Scenario {
    name: &'static str,
    before: &'static [(&'static str, &'static [u8])],
    new: (&'static str, Vec<u8>),
    old: Option<Superseded>,
    /// Archive files with wrong bytes: under the digest of the first, the second.
    rotten: Option<(&'static [u8], &'static [u8])>,
}

fn scenarios() -> Vec<Scenario> {
    let large = || vec![9; 600_000];
    let scenario = |name, before, new, old| Scenario {
        name,
        before,
        new,
        old,
        rotten: None,
    };
    vec![
        scenario("new", &[], ("h.io/a/b/new", b"new".to_vec()), None),
        scenario("new and large", &[], ("h.io/a/b/new", large()), None),
        scenario(
            "replaced",
            &[("h.io/a/f", b"old")],
            ("h.io/a/f", b"new".to_vec()),
            Some(was("h.io/a/f", b"old")),
        ),
        scenario(
            "replaced by large",
            &[("h.io/a/f", b"old")],
            ("h.io/a/f", large()),
            Some(was("h.io/a/f", b"old")),
        ),
        scenario(
            "a stranger replaced",
            &[("h.io/a/f", b"stranger")],
            ("h.io/a/f", b"new".to_vec()),
            None,
        ),
        scenario(
            "renamed",
            &[("h.io/a/f", b"old")],
            ("h.io/b/g", b"new".to_vec()),
            Some(was("h.io/a/f", b"old")),
        ),
        scenario(
            "renamed onto a stranger",
            &[("h.io/a/f", b"old"), ("h.io/b/g", b"stranger")],
            ("h.io/b/g", b"new".to_vec()),
            Some(was("h.io/a/f", b"old")),
        ),
        scenario(
            "renamed, same bytes",
            &[("h.io/a/f", b"same")],
            ("h.io/b/g", b"same".to_vec()),
            Some(was("h.io/a/f", b"same")),
        ),
        scenario(
            "unchanged",
            &[("h.io/a/f", b"same")],
            ("h.io/a/f", b"same".to_vec()),
            Some(was("h.io/a/f", b"same")),
        ),
        Scenario {
            rotten: Some((b"old", b"rotten")),
            ..scenario(
                "over a rotten archive",
                &[("h.io/a/f", b"old")],
                ("h.io/a/f", b"new".to_vec()),
                None,
            )
        },
    ]
}

impl Scenario {
    fn set_up(&self) -> Home {
        let home = Home::new();
        // Made beforehand, so that the steps counted are those of the save.
        home.open();
        for (path, bytes) in self.before {
            home.put(path, bytes);
        }
        if let Some((name, bytes)) = self.rotten {
            fs::create_dir_all(home.archived(name).parent().unwrap()).unwrap();
            fs::write(home.archived(name), bytes).unwrap();
        }
        home
    }

    fn save(&self, mirror: &Mirror) -> Result<Published, MirrorError> {
        let mut partial = mirror.begin("id", 0);
        partial.write(&self.new.1)?;
        partial
            .finish(Expect::default())?
            .publish(&rel(self.new.0), self.old.as_ref())
    }

    /// The invariant at every moment.
    fn assert_nothing_is_lost(&self, home: &Home, moment: &str) {
        let (path, new) = &self.new;
        let was_there = self
            .before
            .iter()
            .find(|(before, _)| before == path)
            .map(|(_, bytes)| bytes.to_vec());
        let there = home.read(path);
        assert!(
            there == was_there || there.as_ref() == Some(new),
            "{moment}: `{path}` is neither old nor new"
        );
        let everywhere: Vec<Vec<u8>> = [home.root(), home.archive()]
            .iter()
            .flat_map(|root| files_below(root))
            .map(|file| fs::read(file).unwrap())
            .collect();
        let rotten = self.rotten.map(|(_, bytes)| bytes);
        for bytes in self.before.iter().map(|(_, bytes)| *bytes).chain(rotten) {
            assert!(
                everywhere.iter().any(|found| found == bytes),
                "{moment}: {:?} are lost",
                String::from_utf8_lossy(bytes)
            );
        }
        if self.rotten.is_none() {
            home.assert_archive_is_sound();
        }
    }

    fn assert_done(&self, home: &Home, moment: &str) {
        self.assert_nothing_is_lost(home, moment);
        home.assert_archive_is_sound();
        assert!(
            home.read(self.new.0).as_ref() == Some(&self.new.1),
            "{moment}"
        );
        for (path, bytes) in self.before.iter().filter(|(_, bytes)| *bytes != self.new.1) {
            assert_eq!(
                fs::read(home.archived(bytes)).unwrap(),
                *bytes,
                "{moment}: `{path}` is not archived"
            );
        }
        for (path, _) in self.before.iter().filter(|(path, _)| *path != self.new.0) {
            assert_eq!(
                home.read(path),
                None,
                "{moment}: `{path}` is still in the mirror"
            );
        }
        assert!(home.temporary_files().is_empty(), "{moment}");
    }
}

fn steps(stop_at: usize, is_crash: bool) -> Steps {
    let steps = Steps::default();
    steps.plan.stop_at.store(stop_at, SeqCst);
    steps.plan.is_crash.store(is_crash, SeqCst);
    steps.plan.errno.store(Errno::NOSPC.raw_os_error(), SeqCst);
    steps
}

#[test]
fn stopping_at_any_step_loses_nothing_and_the_next_run_ends_the_same() {
    for scenario in scenarios() {
        let home = scenario.set_up();
        let counting = steps(0, false);
        let mirror = home.open_with(&counting);
        let before = counting.plan.passed();
        scenario.save(&mirror).unwrap();
        scenario.assert_done(&home, scenario.name);
        let count = counting.plan.passed() - before;
        assert!(count >= 2, "{}: only {count} steps", scenario.name);

        for (step, is_crash) in (1..=count).flat_map(|step| [(step, false), (step, true)]) {
            let moment = format!(
                "{}, {} at step {step} of {count}",
                scenario.name,
                if is_crash { "crash" } else { "failure" }
            );
            let home = scenario.set_up();
            let stopping = steps(before + step, is_crash);
            let error = scenario
                .save(&home.open_with(&stopping))
                .expect_err(&moment);
            assert!(error.is_out_of_space(), "{moment}: {error}");
            scenario.assert_nothing_is_lost(&home, &moment);
            if !is_crash {
                assert!(
                    home.temporary_files().is_empty(),
                    "{moment}: a failure left a temporary file"
                );
            }
            scenario.save(&home.open()).unwrap();
            scenario.assert_done(&home, &format!("{moment}, then again"));
        }
    }
}

#[test]
fn a_failure_is_healed_by_the_same_mirror_too() {
    for scenario in scenarios() {
        for step in 1.. {
            let home = scenario.set_up();
            let stopping = steps(step, false);
            let mirror = home.open_with(&stopping);
            let stopped = scenario.save(&mirror).is_err();
            stopping.plan.stop_at.store(0, SeqCst);
            scenario.save(&mirror).unwrap();
            scenario.assert_done(
                &home,
                &format!("{}, failure at step {step}, then again", scenario.name),
            );
            if !stopped {
                break;
            }
        }
    }
}
