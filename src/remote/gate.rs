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

/// While this lives, downloads hold. However the walk ends, dropped halfway included, they go on then.
#[derive(Debug)]
#[must_use = "downloads hold only while this lives"]
pub(crate) struct Held(LineGate);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.is_closed.send_replace(false);
    }
}

impl LineGate {
    /// Makes downloads hold. There is one media walk at a time, hence one who asks for this.
    pub(crate) fn hold(&self) -> Held {
        self.is_closed.send_replace(true);
        Held(self.clone())
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
