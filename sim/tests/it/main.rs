//! The simulator against the facts sheet: every documented behaviour, seen from a client.

#[cfg(test)]
mod client;

#[cfg(test)]
mod assets;
#[cfg(test)]
mod content;
#[cfg(test)]
mod management;
#[cfg(test)]
mod media;
