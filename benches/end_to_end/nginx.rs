//! A real web server over TLS, with a certificate of a throw-away authority.

use crate::Fallible;
use crate::peers::{Missing, need};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running nginx: HTTP/1.1 at one port, HTTP/2 at another, both over TLS, serving `root`.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    pub(crate) http1: u16,
    pub(crate) http2: u16,
    /// The authority's certificate.
    pub(crate) authority: PathBuf,
}

impl Nginx {
    /// Starts it in `dir`. `before` are words before the command, such as those that enter a namespace.
    pub(crate) fn start(
        dir: &Path,
        address: &str,
        before: &[&str],
    ) -> Fallible<Result<Self, Missing>> {
        for (tool, package) in [("nginx", "nginx-light"), ("openssl", "openssl")] {
            if let Err(missing) = need(tool, package) {
                return Ok(Err(missing));
            }
        }
        let root = dir.join("root");
        fs::create_dir_all(&root)?;
        let authority = certify(dir, address)?;
        let (http1, http2) = (free_port()?, free_port()?);
        let config = dir.join("nginx.conf");
        fs::write(&config, settings(dir, &root, address, http1, http2))?;
        let words: Vec<&str> = before.iter().copied().chain(["nginx"]).collect();
        let (program, rest) = words.split_first().ok_or("no command")?;
        let child = Command::new(program)
            .args(rest)
            .arg("-p")
            .arg(dir)
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(dir.join("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let nginx = Self {
            child,
            http1,
            http2,
            authority,
        };
        nginx.wait(address, dir)?;
        Ok(Ok(nginx))
    }

    fn wait(&self, address: &str, dir: &Path) -> Fallible<()> {
        let begun = Instant::now();
        let target = format!("{address}:{}", self.http2).parse()?;
        while TcpStream::connect_timeout(&target, Duration::from_millis(200)).is_err() {
            if begun.elapsed() > Duration::from_secs(10) {
                let log = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
                return Err(format!("nginx did not start: {log}").into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // TERM, so that the master ends its workers, too.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It fails only where it has ended.
            kill_process(pid, Signal::TERM).unwrap_or_default();
        }
        drop(self.child.wait());
    }
}

fn free_port() -> Fallible<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn settings(dir: &Path, root: &Path, address: &str, http1: u16, http2: u16) -> String {
    // Its workers shall read our folder, which is closed to others.
    let user = if geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let (dir, root) = (dir.display(), root.display());
    format!(
        "{user}
daemon off;
worker_processes 2;
pid {dir}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    types {{ image/png png; application/json json; }}
    ssl_certificate {dir}/server.pem;
    ssl_certificate_key {dir}/server.key;
    ssl_session_cache shared:tls:1m;
    root {root};
    server {{
        listen {address}:{http1} ssl;
        location = /api/v2/media {{ try_files /pages/page$arg_token.json =404; }}
    }}
    server {{
        listen {address}:{http2} ssl http2;
        http2_max_concurrent_streams 128;
        location = /api/v2/media {{ try_files /pages/page$arg_token.json =404; }}
    }}
}}
"
    )
}

/// Makes an authority and a certificate for the address. Returns the authority's certificate.
fn certify(dir: &Path, address: &str) -> Fallible<PathBuf> {
    fs::write(
        dir.join("names"),
        format!("subjectAltName=IP:{address}\nbasicConstraints=CA:FALSE\n"),
    )?;
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    openssl(
        dir,
        &[
            &["req", "-x509", "-days", "7", "-subj", "/CN=bench authority"],
            &key[..],
            &["-keyout", "ca.key", "-out", "ca.pem"],
        ]
        .concat(),
    )?;
    openssl(
        dir,
        &[
            &["req", "-subj", "/CN=bench"],
            &key[..],
            &["-keyout", "server.key", "-out", "server.csr"],
        ]
        .concat(),
    )?;
    openssl(
        dir,
        &[
            "x509",
            "-req",
            "-days",
            "7",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "names",
            "-out",
            "server.pem",
        ],
    )?;
    Ok(dir.join("ca.pem"))
}

fn openssl(dir: &Path, words: &[&str]) -> Fallible<()> {
    let done = Command::new("openssl")
        .current_dir(dir)
        .args(words)
        .output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!(
        "openssl {}: {}",
        words.first().unwrap_or(&""),
        String::from_utf8_lossy(&done.stderr)
    )
    .into())
}
