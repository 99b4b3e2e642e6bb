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
    /// What makes it slow.
    pub(crate) shaper: &'static str,
}

/// What can make it slow, the first that this kernel has. Both queue about a second's worth, as routers do.
const SHAPERS: [(&str, &str); 2] = [
    ("netem, 10 ms", "netem rate 10mbit delay 10ms limit 800"),
    ("tbf", "tbf rate 10mbit burst 64kb latency 1s"),
];

impl SlowLine {
    /// Makes the line; `Err` in the inner result says why this cannot be done here.
    pub(crate) fn open() -> Fallible<Result<Self, String>> {
        let id = std::process::id();
        let mut line = Self {
            name: format!("mcb-bench-{id}"),
            shaper: "",
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
        ];
        for step in steps {
            if let Err(why) = take(&step) {
                return Ok(Err(why));
            }
        }
        let mut refused = String::new();
        for (shaper, words) in SHAPERS {
            // What the server sends is what the client waits for.
            let step = format!("ip netns exec {name} tc qdisc add dev {theirs} root {words}");
            match take(&step) {
                Ok(()) => {
                    line.shaper = shaper;
                    return Ok(Ok(line));
                }
                Err(why) => refused = why,
            }
        }
        Ok(Err(refused))
    }
}

fn take(step: &str) -> Result<(), String> {
    let mut words = step.split(' ');
    let program = words.next().unwrap_or_default();
    match Command::new(program).args(words).output() {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let why = String::from_utf8_lossy(&done.stderr);
            Err(format!("`{step}`: {}", why.trim()))
        }
        Err(error) => Err(format!("`{step}`: {error}")),
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
