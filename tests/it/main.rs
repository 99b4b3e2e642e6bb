//! Promises of the program as a whole.
//!
//! `cfg(test)` is always set here; it tells clippy that helpers beside the tests are tests as well.

#[cfg(test)]
mod architecture;
#[cfg(test)]
mod assets;
#[cfg(test)]
mod attempts;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod body_faults;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod config;
#[cfg(test)]
mod contents_walk;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod database_docs;
#[cfg(test)]
mod deleted_apis;
#[cfg(test)]
mod deletions;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod export;
#[cfg(test)]
mod export_folder;
#[cfg(test)]
mod export_private;
mod follow_up;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod health;
#[cfg(test)]
mod history;
#[cfg(test)]
mod homes;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_heads;
#[cfg(test)]
mod hostile_hosts;
#[cfg(test)]
mod inspection;
#[cfg(test)]
mod interruption;
#[cfg(test)]
mod judged;
#[cfg(test)]
mod left_out;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod media_forms;
#[cfg(test)]
mod media_walk;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod mistyped_id;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod odd_answers;
#[cfg(test)]
mod other_user;
#[cfg(test)]
mod permissions;
#[cfg(test)]
mod pieces;
#[cfg(test)]
mod prune;
#[cfg(test)]
mod redacted;
#[cfg(test)]
mod replaced;
#[cfg(test)]
mod retired;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod snapshot_tree;
#[cfg(test)]
mod stale_bodies;
#[cfg(test)]
mod status;
#[cfg(test)]
mod support;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod throughput;
#[cfg(test)]
mod transfer;
#[cfg(test)]
mod verify;
#[cfg(test)]
mod worst;
