//! Somebody who is told: a small HTTP server that notes what it hears and answers as it was asked to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Method and target: `POST /check/start?rid=…`.
    pub(crate) line: String,
    /// As they came.
    pub(crate) headers: String,
    /// As it came.
    pub(crate) body: String,
}

impl Heard {
    /// The target without its query.
    pub(crate) fn path(&self) -> &str {
        let target = self.line.split(' ').nth(1).expect("a target");
        target.split('?').next().expect("a path")
    }

    /// The run's id in the query.
    pub(crate) fn rid(&self) -> &str {
        let target = self.line.split(' ').nth(1).expect("a target");
        target.split_once("rid=").expect("a run's id").1
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// With this status.
    Status(u16),
    /// Somewhere else.
    Redirect(String),
    /// Never, and it does not hang up.
    Nothing,
}

/// The server. Its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Listener {
    port: u16,
    heard: Arc<(Mutex<Vec<Heard>>, Condvar)>,
}

impl Listener {
    /// One that answers everything with 200.
    pub(crate) fn start() -> Self {
        Self::answering(|_, _| Answer::Status(200))
    }

    /// One that answers by `answer`, which may take its time: it gets the request and the connection.
    pub(crate) fn answering(
        answer: impl Fn(&Heard, &TcpStream) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("an address").port();
        let heard: Arc<(Mutex<Vec<Heard>>, Condvar)> = Arc::default();
        let (noted, answer) = (Arc::clone(&heard), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in socket.incoming() {
                let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
                let connection = connection.expect("a connection");
                std::thread::spawn(move || serve(connection, &noted, &*answer));
            }
        });
        Self { port, heard }
    }

    /// An address at it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.0.lock().expect("no panic").clone()
    }

    /// Waits until it heard so much, and returns it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&[Heard]) -> bool) -> Vec<Heard> {
        let heard = self.heard.0.lock().expect("no panic");
        let (heard, waited) = self
            .heard
            .1
            .wait_timeout_while(heard, Duration::from_secs(40), |heard| !holds(heard))
            .expect("no panic");
        assert!(!waited.timed_out(), "{what}: {heard:#?}");
        heard.clone()
    }
}

fn serve(
    mut connection: TcpStream,
    noted: &(Mutex<Vec<Heard>>, Condvar),
    answer: &(dyn Fn(&Heard, &TcpStream) -> Answer + Send + Sync),
) {
    let Some(request) = read(&connection) else {
        return;
    };
    noted.0.lock().expect("no panic").push(request.clone());
    noted.1.notify_all();
    let head = match answer(&request, &connection) {
        Answer::Status(status) => format!("HTTP/1.1 {status} Said"),
        Answer::Redirect(to) => format!("HTTP/1.1 302 Found\r\nLocation: {to}"),
        Answer::Nothing => {
            // Until the other side hangs up.
            drop(connection.read(&mut [0; 1]));
            return;
        }
    };
    let text = format!("{head}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK");
    // Nobody may be there any more.
    drop(connection.write_all(text.as_bytes()));
}

fn read(connection: &TcpStream) -> Option<Heard> {
    let mut lines = BufReader::new(connection);
    let mut line = String::new();
    lines.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        lines.read_line(&mut header).ok()?;
        headers += &header;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    Some(Heard {
        line: line.trim().to_owned(),
        headers,
        body: String::from_utf8(body).expect("UTF-8"),
    })
}
