//! A network of our own with a slow line: two namespaces' worth of it, one of them ours.

use crate::Fallible;
use std::process::Command;

/// The server's side of the line.
pub(crate) const SERVER: &str = "10.213.77.1";
const CLIENT: &str = "10.213.77.2";

/// A namespace at the other end of a line; it goes away with this value.
#[derive(Debug)]
pub(crate) struct SlowLine {
    pub(crate) name: String,
}

impl SlowLine {
    /// Makes the line; `Err` in the inner result says why this cannot be done here.
    pub(crate) fn open(rate: &str, delay: &str) -> Fallible<Result<Self, String>> {
        let id = std::process::id();
        let line = Self {
            name: format!("mcb-bench-{id}"),
        };
        let name = line.name.clone();
        let (ours, theirs) = (format!("mcb{id}a"), format!("mcb{id}b"));
        let steps = [
            format!("ip netns add {name}"),
            format!("ip link add {ours} type veth peer name {theirs}"),
            format!("ip link set {theirs} netns {name}"),
            format!("ip addr add {CLIENT}/30 dev {ours}"),
            format!("ip link set {ours} up"),
            format!("ip netns exec {name} ip addr add {SERVER}/30 dev {theirs}"),
            format!("ip netns exec {name} ip link set {theirs} up"),
            format!("ip netns exec {name} ip link set lo up"),
            // What the server sends is what the client waits for.
            format!(
                "ip netns exec {name} tc qdisc add dev {theirs} root netem rate {rate} delay {delay}"
            ),
        ];
        for step in steps {
            let mut words = step.split(' ');
            let program = words.next().unwrap_or_default();
            let done = Command::new(program).args(words).output();
            match done {
                Ok(done) if done.status.success() => {}
                Ok(done) => {
                    let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                    return Ok(Err(format!("`{step}`: {why}")));
                }
                Err(error) => return Ok(Err(format!("`{step}`: {error}"))),
            }
        }
        Ok(Ok(line))
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        // The ends of the line go with the namespace.
        drop(
            Command::new("ip")
                .args(["netns", "delete", &self.name])
                .output(),
        );
    }
}
