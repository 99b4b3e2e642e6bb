//! A disk that a test can fill.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A small file system of its own, unmounted at the end.
#[derive(Debug)]
pub(crate) struct Volume(PathBuf);

impl Volume {
    /// Mounts one with these options, such as `size=1m`. `None` without the right to mount.
    pub(crate) fn mount(place: PathBuf, options: &str) -> Option<Self> {
        std::fs::create_dir_all(&place).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(&place)
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: this test mounts a tmpfs, which needs root");
            return None;
        }
        Some(Self(place))
    }

    /// A path on it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Changes its options.
    pub(crate) fn remount(&self, options: &str) {
        let status = Command::new("mount")
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0)
            .status()
            .expect("mount");
        assert!(status.success());
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: a test that failed may hold it open.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}
