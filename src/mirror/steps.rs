//! The seam by which a test stops the work between any two steps.

use std::io;

/// Passed at every boundary between two changes on disk. In the program it is nothing; in a test it can end
/// the work there, as a crash (nothing more happens, not even tidying up) or as a failure.
#[derive(Clone, Debug, Default)]
pub(super) struct Steps {
    #[cfg(test)]
    pub(super) plan: std::sync::Arc<Plan>,
}

impl Steps {
    #[cfg(not(test))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "the test's variant uses both"
    )]
    pub(super) fn pass(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the test's variant uses it")]
    pub(super) fn is_dead(&self) -> bool {
        false
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the test's variant uses it")]
    pub(super) fn may_flush_whole(&self) -> bool {
        true
    }

    #[cfg(test)]
    pub(super) fn pass(&self) -> io::Result<()> {
        self.plan.pass()
    }

    #[cfg(test)]
    pub(super) fn may_flush_whole(&self) -> bool {
        !self
            .plan
            .flushes_each
            .load(std::sync::atomic::Ordering::SeqCst)
    }

    #[cfg(test)]
    pub(super) fn is_dead(&self) -> bool {
        self.plan.dead.load(std::sync::atomic::Ordering::SeqCst)
    }
}

/// When to stop, and how.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The number of the step to stop at, counted from 1; 0 never stops.
    pub(super) stop_at: std::sync::atomic::AtomicUsize,
    /// Whether the stop is a crash.
    pub(super) is_crash: std::sync::atomic::AtomicBool,
    /// The `errno` that a failure reports.
    pub(super) errno: std::sync::atomic::AtomicI32,
    /// Whether each file is flushed alone, as on a file system that is not trusted with more.
    pub(super) flushes_each: std::sync::atomic::AtomicBool,
    passed: std::sync::atomic::AtomicUsize,
    dead: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl Plan {
    fn pass(&self) -> io::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        let step = self.passed.fetch_add(1, SeqCst) + 1;
        if self.dead.load(SeqCst) || step == self.stop_at.load(SeqCst) {
            self.dead.store(self.is_crash.load(SeqCst), SeqCst);
            return Err(io::Error::from_raw_os_error(self.errno.load(SeqCst)));
        }
        Ok(())
    }

    /// How many steps were passed so far.
    pub(super) fn passed(&self) -> usize {
        self.passed.load(std::sync::atomic::Ordering::SeqCst)
    }
}
