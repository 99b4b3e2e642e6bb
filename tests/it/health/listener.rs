//! Where the daemon listens: ports that others have, other ones after a reload, and whoever occupies it.

use super::{ANY_PORT, Daemon, configure, get, small_service};
use crate::support::Sandbox;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_told_with_address_and_remedy() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let mut daemon = Daemon::start(&home, &sim, &format!("listen = \"{address}\""));
    let status = daemon.running.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1));
    let said = daemon.said();
    let port = address.port();
    for words in [
        format!("error: cannot listen at `{address}`, which `health.listen` names"),
        "caused by: Address already in use".to_owned(),
        format!("hint: another program has port {port} (`ss -ltnp 'sport = :{port}'` names it)"),
    ] {
        assert!(said.contains(&words), "{words}\n{said}");
    }
    assert_eq!(sim.request_lines(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_moves_the_listener_and_keeps_the_old_one_where_the_new_one_cannot_be_had() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let old = daemon.address(1);
    daemon.until_answered(old, "/healthz", 200, "OK: ");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let elsewhere = format!("listen = \"{address}\"\nmax_age = \"2h\"");
    configure(&daemon.desk, &elsewhere);
    daemon.running.signal("HUP");
    daemon.until("it says so", |daemon| {
        let stays = "the configuration stays as it was, for cannot listen at";
        daemon.said().contains(stays).then_some(())
    });
    daemon.until_answered(old, "/metrics", 200, "max_age_seconds 93600\n");

    drop(taken);
    daemon.running.signal("HUP");
    let new = daemon.address(2);
    assert_eq!(new, address);
    daemon.until_answered(new, "/metrics", 200, "max_age_seconds 7200\n");
    daemon.until("the old one is closed", |_| {
        (get(old, "/livez").0 == 0).then_some(())
    });

    configure(&daemon.desk, "");
    daemon.running.signal("HUP");
    daemon.until("the new one is closed", |_| {
        (get(new, "/livez").0 == 0).then_some(())
    });
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_occupies_the_listener_does_not_hold_up_a_run() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let address = daemon.address(1);
    daemon.until_answered(address, "/healthz", 200, "OK: ");
    // Silent ones, and ones that never read their answer.
    let crowd: Vec<TcpStream> = (0..100)
        .map(|count| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            if count % 2 == 0 {
                let question = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";
                stream.write_all(question).expect("it is taken");
            }
            stream
        })
        .collect();
    daemon.running.signal("USR1");
    daemon.until("the second run", |_| {
        let ended = home.count("SELECT count(*) FROM runs WHERE outcome = 'complete'");
        (ended == 2).then_some(())
    });
    drop(crowd);
    daemon.until_answered(address, "/livez", 200, "alive");
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_is_allowed_and_warned_about() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, "listen = \"0.0.0.0:0\"");
    let address = daemon.address(1);
    assert!(
        daemon
            .said()
            .contains("health.listen: everybody who reaches 0.0.0.0:0"),
        "{}",
        daemon.said()
    );
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    assert_eq!(get(here, "/livez").0, 200);
    daemon.terminate();
}
