//! What a service manager is told, if there is one: `sd_notify(3)`.

use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

use crate::model::is_hidden;

/// Words that may wait for a manager that does not read; what is said beyond that is lost.
const WAITING: usize = 64;
/// How long the end waits for the last word to be sent.
const LAST_WORD: Duration = Duration::from_millis(500);

/// The service manager. Without one (`NOTIFY_SOCKET` is not set) nothing happens.
///
/// It is told from a thread of its own: a manager that does not read its socket keeps whoever writes to it, and
/// must not keep the loop.
#[derive(Debug)]
pub(super) struct Service {
    said: String,
    /// `None` where there is no thread.
    words: Option<SyncSender<Word>>,
    /// Disconnected once every word is sent.
    done: Receiver<()>,
}

/// What the manager is told.
#[derive(Debug)]
enum Word {
    Ready(String),
    Status(String),
    Alive,
    Reloading,
    Stopping,
    Patience(u32),
}

impl Default for Service {
    fn default() -> Self {
        let (words, heard) = mpsc::sync_channel(WAITING);
        let (telling, done) = mpsc::channel();
        let speaker = thread::Builder::new()
            .name("service-manager".to_owned())
            .spawn(move || {
                for word in heard {
                    say(&word);
                }
                drop::<mpsc::Sender<()>>(telling);
            });
        if let Err(err) = &speaker {
            debug!("nobody can tell the service manager anything: {err}");
        }
        Self {
            said: String::new(),
            words: speaker.is_ok().then_some(words),
            done,
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.words = None;
        // Disconnected at once, or silent for as long as nobody reads.
        let _ended = self.done.recv_timeout(LAST_WORD);
    }
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
        let status = one_line(status);
        if self.tell(Word::Ready(status.clone())) {
            self.said = status;
        }
    }

    /// What is going on, if that is news.
    pub(super) fn status(&mut self, status: &str) {
        let status = one_line(status);
        // What was not taken is said again with the next occasion.
        if self.said != status && self.tell(Word::Status(status.clone())) {
            self.said = status;
        }
    }

    /// The loop lives.
    pub(super) fn alive(&self) {
        self.tell(Word::Alive);
    }

    /// The configuration is being read again; [`Service::ready`] ends that.
    pub(super) fn reloading(&self) {
        self.tell(Word::Reloading);
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        self.tell(Word::Stopping);
    }

    /// The start or the end takes longer, for good reason: be patient for this span from now on.
    pub(super) fn be_patient(&self, span: Duration) {
        let span = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        self.tell(Word::Patience(span));
    }

    /// Returns whether there was room for the word.
    fn tell(&self, word: Word) -> bool {
        let taken = self.words.as_ref().map(|words| words.try_send(word));
        if let Some(Err(err)) = &taken {
            debug!("the service manager does not listen: {err}");
        }
        matches!(taken, Some(Ok(())))
    }
}

/// Returns a text that may hold the service's own words as one that is a status and nothing else: a
/// further line would be a further message to the manager.
fn one_line(text: &str) -> String {
    let plain = |c: char| if is_hidden(c) { ' ' } else { c };
    text.chars().map(plain).collect()
}

fn say(word: &Word) {
    let told = match word {
        Word::Ready(status) => {
            sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(status)])
        }
        Word::Status(status) => sd_notify::notify(&[NotifyState::Status(status)]),
        Word::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
        Word::Reloading => match NotifyState::monotonic_usec_now() {
            // `Type=notify-reload` wants to know when, to tell this from an older one.
            Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
            Err(_) => sd_notify::notify(&[NotifyState::Reloading]),
        },
        Word::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Word::Patience(span) => sd_notify::notify(&[NotifyState::ExtendTimeoutUsec(*span)]),
    };
    // A manager that does not listen will draw its own conclusions.
    if let Err(err) = told {
        debug!("the service manager could not be told {word:?}: {err}");
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
