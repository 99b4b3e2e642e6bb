//! One child process, measured: the same way whoever it is.

use crate::Fallible;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// `/proc` counts processor time in these, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// How often the peak of memory is read. What grows in the last moments of a process is not seen.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a child process cost.
#[derive(Debug)]
pub(crate) struct Cost {
    /// From its start to its end, in seconds.
    pub(crate) wall: f64,
    /// User and system time of it and of the children that it waited for, in seconds, in steps of 10 ms.
    pub(crate) cpu: f64,
    /// The most memory that was resident, in MiB; 0 if it ended before it was looked at.
    pub(crate) peak_mib: f64,
    /// Its exit code; `None`: a signal.
    pub(crate) code: Option<i32>,
    /// What it printed.
    pub(crate) out: String,
    /// What it said on stderr.
    pub(crate) err: String,
}

impl Cost {
    /// The cost, if the child ended with this code.
    pub(crate) fn expect(self, code: i32, who: &str) -> Fallible<Self> {
        if self.code == Some(code) {
            return Ok(self);
        }
        let tail: Vec<&str> = self.err.lines().chain(self.out.lines()).collect();
        let tail = tail.get(tail.len().saturating_sub(8)..).unwrap_or_default();
        Err(format!(
            "{who} ended with {:?} instead of {code}: {}",
            self.code,
            tail.join(" / ")
        )
        .into())
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Fallible<Cost> {
    // Files, not pipes: nobody has to read along, and a full pipe stops nobody.
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?);
    let begun = Instant::now();
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
    let id = child.id();
    let (ended, watched) = channel();
    let watcher = std::thread::spawn(move || watch_peak(id, &watched));
    let waited = wait_and_leave(&child);
    let wall = begun.elapsed().as_secs_f64();
    let cpu = cpu_of(id);
    drop(ended);
    let peak_kib = watcher.join().unwrap_or(0);
    let status = child.wait()?;
    waited?;
    Ok(Cost {
        wall,
        cpu: cpu?,
        peak_mib: to_f64(peak_kib) / 1024.0,
        code: status.code(),
        out: text(&mut out)?,
        err: text(&mut err)?,
    })
}

/// Waits until a child has ended, and leaves it to be looked at.
fn wait_and_leave(child: &Child) -> Fallible<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or("a process without an id")?;
    loop {
        match waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        ) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn watch_peak(id: u32, ended: &Receiver<()>) -> u64 {
    let mut peak = 0;
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LOOK_EVERY) {
        peak = peak.max(peak_of(id));
    }
    peak
}

fn peak_of(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap_or(0)
}

/// Reads the processor time of a process that has ended and was not waited for yet.
fn cpu_of(id: u32) -> Fallible<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may hold anything; utime is the 12th word behind it.
    let (_, behind) = stat.rsplit_once(')').ok_or("no name in /proc/PID/stat")?;
    let ticks = behind
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|word| word.parse::<u64>().ok());
    Ok(to_f64(ticks.sum()) / TICKS_PER_SECOND)
}

fn text(file: &mut File) -> Fallible<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A count as a number to divide. Nothing counted here comes near 2^32 without being divided first.
pub(crate) fn to_f64(count: u64) -> f64 {
    let (high, low) = (count >> 32, count & 0xffff_ffff);
    let part = |part: u64| f64::from(u32::try_from(part).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}
