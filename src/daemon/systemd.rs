//! What a service manager is told, if there is one: `sd_notify(3)`.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// The service manager. Without one (`NOTIFY_SOCKET` is not set) nothing happens.
#[derive(Debug, Default)]
pub(super) struct Service {
    said: String,
}

impl Service {
    /// Returns how often to say that the loop lives: half of what the manager allows. `None` if it
    /// does not care.
    pub(super) fn watchdog() -> Option<Duration> {
        // The unit's own doing, so zero is not a busy loop but nonsense.
        sd_notify::watchdog_enabled()
            .map(|most| most / 2)
            .filter(|half| !half.is_zero())
    }

    /// Start-up is over: whoever waits for this service may go on.
    pub(super) fn ready(&mut self, status: &str) {
        self.said = one_line(status);
        tell(&[NotifyState::Ready, NotifyState::Status(&self.said)]);
    }

    /// What is going on, if that is news.
    pub(super) fn status(&mut self, status: &str) {
        let status = one_line(status);
        if self.said != status {
            tell(&[NotifyState::Status(&status)]);
            self.said = status;
        }
    }

    /// The loop lives.
    pub(super) fn alive(&self) {
        tell(&[NotifyState::Watchdog]);
    }

    /// The configuration is being read again; [`Service::ready`] ends that.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            // `Type=notify-reload` wants to know when, to tell this from an older one.
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The start or the end takes longer, for good reason: be patient for this span from now on.
    pub(super) fn be_patient(&self, span: Duration) {
        let span = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(span)]);
    }
}

/// Returns a text that may hold the service's own words as one that is a status and nothing else: a
/// further line would be a further message to the manager.
fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

fn tell(state: &[NotifyState<'_>]) {
    // A manager that does not listen will draw its own conclusions.
    if let Err(err) = sd_notify::notify(state) {
        debug!("the service manager could not be told {state:?}: {err}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_no_message_of_its_own() {
        assert_eq!(
            one_line("UNSAFE: a\nSTOPPING=1\r\0b 写真"),
            "UNSAFE: a STOPPING=1  b 写真"
        );
    }
}
