use super::{at, options};
use crate::store::{Store, StoreError, StoreThread};
use rusqlite::Connection;
use std::sync::mpsc;

fn runs(store: &Store) -> Result<i64, StoreError> {
    store.read("test", |conn| {
        conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
    })
}

#[tokio::test]
async fn calls_are_done_in_order_and_the_log_is_emptied_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let (handle, thread) = StoreThread::spawn(Store::open(&options, at(0)).unwrap()).unwrap();
    let first = handle
        .call(|store| store.begin_run("a", "test", at(1)))
        .await
        .unwrap();
    let second = handle
        .clone()
        .call(|store| store.begin_run("b", "test", at(2)))
        .await
        .unwrap();
    assert!(first.get() < second.get());
    thread.join().await.unwrap();

    let late = handle.call(|store| runs(store)).await;
    assert!(matches!(late, Err(StoreError::Closed)));
    let mut names: Vec<_> = folder
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["backup.sqlite3"]);
    let conn = Connection::open(&options.path).unwrap();
    assert_eq!(
        conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)),
        Ok(2)
    );
}

#[tokio::test]
async fn a_panic_is_rolled_back_and_reported_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&options(&folder), at(0)).unwrap();
    let (handle, thread) = StoreThread::spawn(store).unwrap();
    let result: Result<(), _> = handle
        .call(|store| {
            store.write("test", |tx| {
                tx.execute("INSERT INTO meta (key, value) VALUES ('half', '')", [])?;
                panic!("on purpose");
            })
        })
        .await;
    assert!(matches!(result, Err(StoreError::Panicked)));
    let rows: i64 = handle
        .call(|store| {
            store.read("test", |conn| {
                conn.query_row("SELECT count(*) FROM meta WHERE key = 'half'", [], |row| {
                    row.get(0)
                })
            })
        })
        .await
        .unwrap();
    assert_eq!(rows, 0);
    thread.join().await.unwrap();
}

#[tokio::test]
async fn what_is_queued_is_done_although_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let (handle, thread) = StoreThread::spawn(Store::open(&options, at(0)).unwrap()).unwrap();
    let (open_gate, gate) = mpsc::channel::<()>();
    let gated = handle.call(move |_| {
        gate.recv().unwrap();
        Ok(())
    });
    let forgotten = handle.call(|store| store.begin_run("forgotten", "test", at(1)).map(drop));
    // Polled once, so that they are queued; then the second is dropped.
    let mut gated = Box::pin(gated);
    assert!(futures_util::poll!(&mut gated).is_pending());
    {
        let mut forgotten = Box::pin(forgotten);
        assert!(futures_util::poll!(&mut forgotten).is_pending());
    }
    open_gate.send(()).unwrap();
    gated.await.unwrap();
    thread.join().await.unwrap();
    assert_eq!(runs(&Store::open(&options, at(2)).unwrap()).unwrap(), 1);
}

#[tokio::test]
async fn a_full_queue_holds_callers_back_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&options(&folder), at(0)).unwrap();
    let (handle, thread) = StoreThread::spawn(store).unwrap();
    let (open_gate, gate) = mpsc::channel::<()>();
    let first = handle.call(move |_| {
        gate.recv().unwrap();
        Ok(0)
    });
    let many = (0..500).map(|_| {
        handle.call(|store| {
            store.begin_run("many", "test", at(1))?;
            Ok(1)
        })
    });
    let mut first = Box::pin(first);
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut all = Box::pin(futures_util::future::join_all(many));
    assert!(futures_util::poll!(&mut all).is_pending());
    open_gate.send(()).unwrap();
    assert_eq!(first.await.unwrap(), 0);
    assert_eq!(all.await.into_iter().map(Result::unwrap).sum::<i32>(), 500);
    assert_eq!(handle.call(|store| runs(store)).await.unwrap(), 500);
    thread.join().await.unwrap();
}

#[tokio::test]
async fn a_store_without_handles_still_closes() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, thread) =
        StoreThread::spawn(Store::open(&options(&folder), at(0)).unwrap()).unwrap();
    drop(handle);
    thread.join().await.unwrap();
}
