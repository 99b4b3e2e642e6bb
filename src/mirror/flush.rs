//! Flushing a whole file system in one go, where that is as good as flushing each file: the cost of a group does not
//! grow with its files then.

use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, StatxFlags};
use rustix::io::Errno;

use super::steps::Steps;

/// File systems whose `syncfs` waits for bytes, names and the device's own cache. ext2 and many others leave out the last.
const TRUSTED: [&str; 3] = ["ext4", "xfs", "btrfs"];
/// Since this version `syncfs` tells of bytes that could not be written; before, it said that all was well.
const TELLS_SINCE: (u32, u32) = (5, 8);
/// Fewer files are flushed one by one: what others have written to the file system is none of our business.
const MANY: usize = 6;
/// Where it took longer, others are writing a great deal, and each file alone is flushed sooner.
const LONG: Duration = Duration::from_millis(250);
/// How many groups are then flushed file by file before it is tried again: twice as many each time, at most so many.
const PATIENCE: RangeInclusive<u32> = 8..=1024;
/// How many files are flushed at a time where each is flushed: a journal takes several into one commit.
const SIDE_BY_SIDE: usize = 8;

/// Flushes the file system of the mirror.
#[derive(Debug)]
pub(super) struct Flusher {
    dir: Arc<Dir>,
    can_whole: bool,
    /// Groups to be flushed file by file before the whole is tried again.
    rest: AtomicU32,
    /// How many it will be when the whole took long again.
    patience: AtomicU32,
    /// One at a time: what the kernel tells of lost bytes it tells one of several who ask at once. A `std` mutex: held
    /// on threads that may block.
    turn: Mutex<()>,
    alarms: Alarms,
    steps: Steps,
}

/// How often the flush of a whole file system failed. Whose bytes were lost it does not tell, and it tells only once: so
/// what was written before is flushed file by file, whoever asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Alarms(Arc<AtomicU64>);

impl Alarms {
    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Flusher {
    /// `dir` is a folder of the file system, opened before anything is written.
    pub(super) fn new(dir: Arc<Dir>, alarms: Alarms, steps: &Steps) -> Self {
        Self {
            turn: Mutex::default(),
            alarms,
            can_whole: steps.may_flush_whole() && can_flush_whole(&dir),
            dir,
            rest: AtomicU32::new(0),
            patience: AtomicU32::new(*PATIENCE.start()),
            steps: steps.clone(),
        }
    }

    /// Decides how a group of so many files is flushed.
    pub(super) fn is_whole(&self, files: usize) -> bool {
        if !self.can_whole || files < MANY {
            return false;
        }
        let rest = self.rest.load(Ordering::Relaxed);
        if rest > 0 {
            self.rest.store(rest - 1, Ordering::Relaxed);
        }
        rest == 0
    }

    /// Flushes all that was written to the file system, for somebody who began to write after so many alarms.
    ///
    /// # Errors
    /// When something of it, ours or not, could not be written, now or since then: then each file has to say for itself.
    pub(super) fn whole(&self, since: u64) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        let flushed = self
            .steps
            .pass()
            .and_then(|()| Ok(rustix::fs::syncfs(&*self.dir)?));
        self.learn(begun.elapsed() > LONG || flushed.is_err());
        if flushed.is_err() {
            self.alarms.0.fetch_add(1, Ordering::SeqCst);
        }
        flushed?;
        if self.alarms.so_far() == since {
            Ok(())
        } else {
            Err(Errno::IO.into())
        }
    }

    fn learn(&self, was_bad: bool) {
        let patience = self.patience.load(Ordering::Relaxed);
        if was_bad {
            self.rest.store(patience, Ordering::Relaxed);
        }
        let next = if was_bad { patience * 2 } else { patience / 2 };
        let next = next.clamp(*PATIENCE.start(), *PATIENCE.end());
        self.patience.store(next, Ordering::Relaxed);
    }
}

fn can_flush_whole(dir: &Dir) -> bool {
    tells_of_lost_bytes(&rustix::system::uname().release().to_string_lossy())
        && file_system(dir).is_ok_and(|name| TRUSTED.contains(&name.as_str()))
}

fn tells_of_lost_bytes(release: &str) -> bool {
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= TELLS_SINCE
}

/// Returns the name of the file system that a folder is on, as the table of mounts has it.
fn file_system(dir: &Dir) -> io::Result<String> {
    let told = rustix::fs::statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    if StatxFlags::from_bits_retain(told.stx_mask).contains(StatxFlags::MNT_ID) {
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        if let Some(name) = name_in(&mounts, told.stx_mnt_id) {
            return Ok(name.to_owned());
        }
    }
    Err(Errno::NOENT.into())
}

/// Finds a mount by its number: the line begins with it, and the name follows a dash that stands alone.
fn name_in(mounts: &str, id: u64) -> Option<&str> {
    let id = id.to_string();
    let line = mounts
        .lines()
        .find(|line| line.split(' ').next() == Some(&id))?;
    line.split(' ').skip_while(|word| *word != "-").nth(1)
}

/// Does a thing to each of several, some at a time.
pub(super) fn side_by_side<T: Send>(all: &mut [T], each: impl Fn(&mut T) + Sync) {
    let threads = all.len().min(SIDE_BY_SIDE);
    // A std mutex: held for taking the next one.
    let queue = Mutex::new(all.iter_mut());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(one) = next() {
            each(one);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, there is this one.
            if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kernels_that_tell_of_lost_bytes_are_trusted_with_the_whole() {
        for (release, is_trusted) in [
            ("5.8.0", true),
            ("5.10.0-30-amd64", true),
            ("6.18.44-fc-v657", true),
            ("10.1", true),
            ("5.7.19", false),
            ("4.18.0-553.el8.x86_64", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(tells_of_lost_bytes(release), is_trusted, "{release}");
        }
    }

    #[test]
    fn what_takes_long_is_tried_less_and_less_often_until_it_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let mut flusher = Flusher::new(Arc::new(dir), Alarms::default(), &Steps::default());
        flusher.can_whole = true;
        assert!(flusher.is_whole(MANY) && !flusher.is_whole(MANY - 1));
        let rests = |flusher: &Flusher| (0..).take_while(|_| !flusher.is_whole(MANY)).count();
        let mut tried = Vec::new();
        for _ in 0..10 {
            flusher.learn(true);
            tried.push(rests(&flusher));
        }
        assert_eq!(tried, [8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
        for _ in 0..10 {
            flusher.learn(false);
            assert_eq!(rests(&flusher), 0);
        }
        flusher.learn(true);
        assert_eq!(rests(&flusher), 8);
        // Where it cannot be done at all, waiting changes nothing.
        flusher.can_whole = false;
        assert!(!flusher.is_whole(100));
    }

    #[test]
    fn a_flush_that_failed_is_told_to_all_who_wrote_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::from_std_file(fs::File::open(folder.path()).unwrap());
        let steps = Steps::default();
        steps.plan.stop_at.store(2, Ordering::SeqCst);
        let alarms = Alarms::default();
        let flusher = Flusher::new(Arc::new(dir), alarms.clone(), &steps);
        let before = alarms.so_far();
        flusher.whole(before).unwrap();
        flusher.whole(before).unwrap_err();
        // This one works, and does not speak for what the kernel told another group of.
        flusher.whole(before).unwrap_err();
        flusher.whole(alarms.so_far()).unwrap();
    }

    #[test]
    fn a_mount_is_known_by_its_number() {
        let mounts = "21 26 0:20 / /proc rw,nosuid - proc proc rw\n\
             36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext4 /dev/root rw,errors=continue\n\
             136 35 0:50 / /data\\040- rw shared:7 - btrfs /dev/sdb rw\n";
        assert_eq!(name_in(mounts, 36), Some("ext4"));
        assert_eq!(name_in(mounts, 136), Some("btrfs"));
        assert_eq!(name_in(mounts, 3), None);
        assert_eq!(name_in("", 36), None);
    }

    #[test]
    fn each_of_several_has_its_turn() {
        for count in [0, 1, 2, 7, 8, 9, 100] {
            let mut all = vec![0; count];
            side_by_side(&mut all, |one| *one += 1);
            assert_eq!(all, vec![1; count]);
        }
    }
}
