//! What happened on a walk's way, for its record.

/// How many different things are told.
const MOST: usize = 20;

/// Things that happened, in their order, each once, with how often it did.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes(Vec<(String, u32)>);

impl Notes {
    /// Adds one.
    pub(super) fn add(&mut self, note: String) {
        if let Some((_, times)) = self.0.iter_mut().find(|(said, _)| *said == note) {
            *times += 1;
        } else if self.0.len() < MOST {
            self.0.push((note, 1));
        }
    }

    /// Returns all of them as one text; `None` if there are none.
    pub(super) fn told(self) -> Option<String> {
        let notes = self.0.into_iter().map(|(note, times)| match times {
            1 => note,
            _ => format!("{note} ({times} times)"),
        });
        let notes: Vec<String> = notes.collect();
        (!notes.is_empty()).then(|| notes.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_again_is_told_once() {
        assert_eq!(Notes::default().told(), None);
        let mut notes = Notes::default();
        for note in ["a", "b", "a", "a"] {
            notes.add(note.to_owned());
        }
        assert_eq!(notes.told().as_deref(), Some("a (3 times); b"));
    }
}
