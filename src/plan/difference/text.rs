//! The differences of two texts, line by line. A rich text is cut at its blocks, for editors write it
//! as one line.

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::{DiffOp, DiffTag};
use std::ops::Range;

/// One line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// In both.
    Same(&'a str),
    /// In the earlier text only.
    Removed(&'a str),
    /// In the later one only.
    Added(&'a str),
}

/// Elements that begin on a line of their own.
const BLOCKS: [&str; 31] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "iframe",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];
/// Elements that end a line without having an end of their own.
const BREAKS: [&str; 2] = ["br", "hr"];
/// From so many lines on, what differs is told as one block: comparing costs lines times differences.
const MOST_LINES: usize = 20_000;

/// Returns whether a text looks like HTML.
pub fn looks_rich(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        text.get(at..).and_then(Tag::read).is_some_and(|tag| {
            tag.is_any(&BLOCKS)
                || tag.is_any(&BREAKS)
                || tag.is_any(&["a", "img", "strong", "span"])
        })
    })
}

/// Cuts a text into lines: behind line feeds, and around the blocks of a rich text. Nothing is lost:
/// put together they are the text. No line is empty.
pub(in crate::plan) fn split(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut from = 0;
    let mut cut = |at: usize| {
        lines.extend(text.get(from..at).filter(|line| !line.is_empty()));
        from = at.max(from);
    };
    for (at, found) in text.match_indices(['<', '\n']) {
        if found == "\n" {
            cut(at + 1);
        } else if let Some(tag) = text.get(at..).and_then(Tag::read) {
            if tag.is_any(&BREAKS) || (tag.is_end && tag.is_any(&BLOCKS)) {
                cut(at + tag.length);
            } else if tag.is_any(&BLOCKS) {
                cut(at);
            }
        }
    }
    cut(text.len());
    lines
}

/// A tag at the beginning of a text.
pub(in crate::plan) struct Tag<'a> {
    pub(in crate::plan) name: &'a str,
    pub(in crate::plan) is_end: bool,
    /// In bytes, with its brackets.
    pub(in crate::plan) length: usize,
    /// What stands between the name and the closing bracket.
    pub(in crate::plan) rest: &'a str,
}

impl<'a> Tag<'a> {
    pub(in crate::plan) fn read(text: &'a str) -> Option<Self> {
        let inner = text.strip_prefix('<')?;
        let (is_end, inner) = match inner.strip_prefix('/') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        let is_name = |c: char| c.is_ascii_alphanumeric();
        let name_end = inner.find(|c: char| !is_name(c)).unwrap_or(inner.len());
        let (name, rest) = inner.split_at_checked(name_end)?;
        let is_tag = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && rest.starts_with([' ', '>', '/', '\n', '\t', '\r']);
        // A bracket that was never closed is text; so is one that another one interrupts.
        let close = rest.find(['>', '<']).filter(|_| is_tag)?;
        let (rest, end) = rest.split_at_checked(close)?;
        end.starts_with('>').then(|| Self {
            name,
            is_end,
            length: text.len() - end.len() + 1,
            rest,
        })
    }

    pub(in crate::plan) fn is_any(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.name.eq_ignore_ascii_case(name))
    }
}

/// Compares two texts. The removed and the same lines put together are `before`, the added and the same
/// ones `after`.
pub fn lines<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let (old, new) = (split(before), split(after));
    if old.len() + new.len() > MOST_LINES {
        return coarse(&old, &new);
    }
    let mut found = Vec::new();
    for op in steps(&old, &new) {
        let (tag, of_old, of_new) = op.as_tag_tuple();
        if tag == DiffTag::Equal {
            found.extend(part(&old, of_old).iter().copied().map(Line::Same));
        } else {
            found.extend(part(&old, of_old).iter().copied().map(Line::Removed));
            found.extend(part(&new, of_new).iter().copied().map(Line::Added));
        }
    }
    found
}

/// As `similar::capture_diff_slices`, which holds every algorithm that it could be asked for: 150 KiB.
fn steps(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let mut steps = Compact::new(Replace::new(Capture::new()), old, new);
    let Ok(()) = myers::diff(&mut steps, old, 0..old.len(), new, 0..new.len());
    steps.into_inner().into_inner().into_ops()
}

/// What is alike at both ends, and all between as removed and added.
fn coarse<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let alike = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let head = alike(&mut old.iter().zip(new));
    let (old_rest, new_rest) = (part(old, head..old.len()), part(new, head..new.len()));
    let tail = alike(&mut old_rest.iter().rev().zip(new_rest.iter().rev()));
    let same = part(old, 0..head).iter().copied().map(Line::Same);
    let removed = part(old_rest, 0..old_rest.len() - tail);
    let added = part(new_rest, 0..new_rest.len() - tail);
    let end = part(old_rest, removed.len()..old_rest.len());
    same.chain(removed.iter().copied().map(Line::Removed))
        .chain(added.iter().copied().map(Line::Added))
        .chain(end.iter().copied().map(Line::Same))
        .collect()
}

fn part<'s, 'a>(lines: &'s [&'a str], range: Range<usize>) -> &'s [&'a str] {
    lines.get(range).unwrap_or(&[])
}

#[cfg(test)]
pub(super) fn coarse_for_test<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    coarse(&split(before), &split(after))
}
