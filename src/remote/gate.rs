//! Lets downloads make way while a media page is late.

use tokio::sync::watch;

/// A gate on the line. Downloads pass it before each piece they read; the media walk closes it when
/// a page takes long, because on a saturated line the page waits behind the downloads while its
/// token's 15 seconds run.
#[derive(Clone, Debug)]
pub struct LineGate {
    is_closed: watch::Sender<bool>,
}

impl Default for LineGate {
    fn default() -> Self {
        Self {
            is_closed: watch::Sender::new(false),
        }
    }
}

impl LineGate {
    /// Asks downloads to hold.
    pub fn close(&self) {
        self.is_closed.send_replace(true);
    }

    /// Lets downloads go on.
    pub fn open(&self) {
        self.is_closed.send_replace(false);
    }

    /// Waits while the gate is closed.
    pub async fn pass(&self) {
        if *self.is_closed.borrow() {
            let mut gate = self.is_closed.subscribe();
            // An error would mean that the sender is gone, and `self` holds it.
            drop(gate.wait_for(|closed| !closed).await);
        }
    }
}
