//! Embeds `migrations/NNNN_name.sql`, so that a new file is noticed without a change of code.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script by the environment where it is"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=build.rs");

    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut files = fs::read_dir(root.join("migrations"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|ext| ext == "sql"));
    files.sort();

    let mut list = String::from("&[\n");
    for (position, path) in files.iter().enumerate() {
        let (number, name) = parse_name(path)?;
        if number != position + 1 {
            return Err(format!(
                "`{}` should be number {:04}: migrations are numbered without gaps",
                path.display(),
                position + 1
            )
            .into());
        }
        writeln!(
            list,
            "    Migration {{ version: {number}, name: {name:?}, sql: include_str!({path:?}) }},"
        )?;
    }
    list.push_str("]\n");
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("migrations.rs"),
        list,
    )?;
    Ok(())
}

fn parse_name(path: &Path) -> Result<(usize, &str), Box<dyn Error>> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    stem.and_then(|stem| stem.split_once('_'))
        .filter(|(number, name)| number.len() == 4 && !name.is_empty())
        .and_then(|(number, name)| Some((number.parse().ok()?, name)))
        .ok_or_else(|| format!("`{}` is not named like 0001_initial.sql", path.display()).into())
}
