//! The store's own thread: asynchronous callers, one writer.

use super::{Store, StoreError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use tokio::sync::{mpsc, oneshot};

/// How many calls may wait. When that many do, callers wait for a place before they queue: the walk
/// reads no further page and downloads take no further file until the disk has caught up, so memory
/// stays flat however slow the disk is.
const WAITING_CALLS: usize = 64;

type Work = Box<dyn FnOnce(&mut Store) + Send>;

enum Message {
    Work(Work),
    Finish(oneshot::Sender<Result<(), StoreError>>),
}

/// The owner of the store's thread.
#[derive(Debug)]
pub struct StoreThread {
    messages: mpsc::Sender<Message>,
    thread: thread::JoinHandle<()>,
}

/// A way to reach the store; cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreHandle {
    messages: mpsc::Sender<Message>,
}

impl StoreThread {
    /// Moves the store to a thread of its own.
    pub fn spawn(store: Store) -> Result<(StoreHandle, Self), StoreError> {
        let (messages, inbox) = mpsc::channel(WAITING_CALLS);
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || serve(store, inbox))
            .map_err(|source| StoreError::File {
                doing: "start a thread for",
                path: "the database".into(),
                source,
            })?;
        let handle = StoreHandle {
            messages: messages.clone(),
        };
        Ok((handle, Self { messages, thread }))
    }

    /// Waits until every call that was made is done, closes the store ([`Store::close`]) and ends
    /// the thread. Handles that are still around get [`StoreError::Closed`] from then on.
    pub async fn join(self) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.messages
            .send(Message::Finish(reply))
            .await
            .map_err(|_unsent| StoreError::Closed)?;
        let closed = answer.await.map_err(|_unanswered| StoreError::Panicked)?;
        // The thread has sent its last word: this does not block.
        self.thread.join().map_err(|_panic| StoreError::Panicked)?;
        closed
    }
}

impl StoreHandle {
    /// Lets the store do `work`, after the calls made before.
    ///
    /// Once queued, the work is done even if nobody waits for the answer any more. A panic in it is
    /// rolled back and reported as [`StoreError::Panicked`]; the store goes on.
    pub async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |store| {
            // Nobody waits for the answer: the work is done all the same.
            drop(reply.send(work(store)));
        });
        self.messages
            .send(Message::Work(work))
            .await
            .map_err(|_unsent| StoreError::Closed)?;
        answer.await.map_err(|_unanswered| StoreError::Panicked)?
    }
}

fn serve(mut store: Store, mut inbox: mpsc::Receiver<Message>) {
    while let Some(message) = inbox.blocking_recv() {
        match message {
            // Unwinding drops the transaction, which rolls it back, and the caller's reply, which
            // tells it. The store holds no state beside the connection that could be half changed.
            Message::Work(work) => drop(catch_unwind(AssertUnwindSafe(|| work(&mut store)))),
            Message::Finish(reply) => {
                inbox.close();
                while let Some(Message::Work(work)) = inbox.blocking_recv() {
                    drop(catch_unwind(AssertUnwindSafe(|| work(&mut store))));
                }
                drop(reply.send(store.close()));
                return;
            }
        }
    }
}
