//! Files for a real web server, and the pages that list them in the service's form.
//!
//! The pages are files as well: the token of each names the next.

use crate::Fallible;
use serde_json::json;
use std::fs;
use std::path::Path;

/// On a page, as the service has it.
const PAGE: usize = 100;

/// So many files of one length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) count: u32,
    pub(crate) bytes: usize,
}

/// Writes the files below `root/files`, and their listing under `base` to `root/pages`. Returns the files'
/// paths on the server.
pub(crate) fn write(root: &Path, base: &str, kinds: &[Kind]) -> Fallible<Vec<String>> {
    let mut paths = Vec::new();
    let mut noise = fastrand::Rng::with_seed(1);
    // One folder for a service and one in it for each medium, as the real paths have it.
    let service = format!("files/{:032x}", noise.u128(..));
    for kind in kinds {
        for _ in 0..kind.count {
            let folder = format!("{service}/{:032x}", noise.u128(..));
            fs::create_dir_all(root.join(&folder))?;
            let path = format!("{folder}/photo-{}.png", paths.len());
            let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
            bytes.resize(kind.bytes, 0);
            noise.fill(bytes.get_mut(8..).unwrap_or_default());
            fs::write(root.join(&path), bytes)?;
            paths.push(path);
        }
    }
    // Large ones among the small ones, as they come.
    noise.shuffle(&mut paths);
    list(root, base, &paths)?;
    Ok(paths)
}

/// Writes the listing of these paths, as one host shows them.
pub(crate) fn list(root: &Path, base: &str, paths: &[String]) -> Fallible<()> {
    fs::create_dir_all(root.join("pages"))?;
    // Ids are in no order, as those of the service.
    let mut noise = fastrand::Rng::with_seed(2);
    let pages: Vec<&[String]> = paths.chunks(PAGE).collect();
    for (index, page) in pages.iter().enumerate() {
        let media: Vec<_> = page
            .iter()
            .map(|path| {
                let id = noise.u128(..);
                json!({
                    "id": format!("{:08x}-0000-4000-8000-{:012x}", id >> 96, id & 0xffff_ffff_ffff),
                    "createdAt": "2026-04-08T00:00:00.000Z",
                    "updatedAt": "2026-04-08T00:00:00.000Z",
                    "url": format!("{base}/{path}"),
                    "width": 640,
                    "height": 480,
                    "tags": [],
                })
            })
            .collect();
        let mut answer = json!({"media": media, "totalCount": paths.len()});
        if let Some(answer) = answer.as_object_mut().filter(|_| index + 1 < pages.len()) {
            answer.insert("token".to_owned(), (index + 2).to_string().into());
        }
        // The first request has no token.
        let name = if index == 0 {
            String::new()
        } else {
            (index + 1).to_string()
        };
        fs::write(
            root.join(format!("pages/page{name}.json")),
            answer.to_string(),
        )?;
    }
    Ok(())
}
