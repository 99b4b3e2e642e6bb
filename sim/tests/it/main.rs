//! The simulator against the facts sheet: every documented behaviour, seen from a client.

#[cfg(test)]
mod client;

#[cfg(test)]
mod assets;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod content;
#[cfg(test)]
mod counters;
#[cfg(test)]
mod custom_domain;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod large;
#[cfg(test)]
mod lies;
#[cfg(test)]
mod management;
#[cfg(test)]
mod media;
#[cfg(test)]
mod scale;
