//! Pages that wait for the database are recorded together: one question, one decision, one transaction.
//!
//! A page never waits for another one to come: only those that are here already go together. What is
//! decided about an item rests on what the database holds of it, so that no two different mentions of
//! one thing may be decided about at once.

use std::collections::HashMap;

/// Divides what was listed, in its order, into sets that may be recorded one after the other, each at
/// once: in none of them is a thing mentioned twice. A mention that says the same as the one before it
/// in its set is left out; one that says something else begins the next set.
pub(super) fn sets<T: PartialEq>(
    listed: Vec<T>,
    id: impl for<'a> Fn(&'a T) -> &'a str,
) -> Vec<Vec<T>> {
    let places = places(&listed, id);
    let mut sets = Vec::new();
    for (item, place) in listed.into_iter().zip(places) {
        match place {
            Place::Repeated => {}
            Place::Next => sets.push(vec![item]),
            Place::Same => match sets.last_mut() {
                Some(set) => set.push(item),
                None => sets.push(vec![item]),
            },
        }
    }
    sets
}

/// Where an item belongs.
enum Place {
    /// To the set of the one before it.
    Same,
    /// At the head of the next set.
    Next,
    /// Nowhere: its set has it already.
    Repeated,
}

fn places<T: PartialEq>(listed: &[T], id: impl for<'a> Fn(&'a T) -> &'a str) -> Vec<Place> {
    let mut set: HashMap<&str, &T> = HashMap::with_capacity(listed.len());
    listed
        .iter()
        .map(|item| match set.get(id(item)) {
            None => {
                set.insert(id(item), item);
                Place::Same
            }
            Some(earlier) if *earlier == item => Place::Repeated,
            Some(_) => {
                set.clear();
                set.insert(id(item), item);
                Place::Next
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(listed: &[(&'static str, u8)]) -> Vec<Vec<(&'static str, u8)>> {
        sets(listed.to_vec(), |(id, _)| id)
    }

    #[test]
    fn what_is_said_twice_is_left_out_and_what_is_said_otherwise_begins_a_set() {
        assert!(said(&[]).is_empty());
        assert_eq!(said(&[("a", 1), ("b", 1)]), [vec![("a", 1), ("b", 1)]]);
        assert_eq!(
            said(&[("a", 1), ("b", 1), ("a", 1)]),
            [vec![("a", 1), ("b", 1)]]
        );
        assert_eq!(
            said(&[("a", 1), ("b", 1), ("a", 2), ("c", 1), ("a", 1)]),
            [
                vec![("a", 1), ("b", 1)],
                vec![("a", 2), ("c", 1)],
                vec![("a", 1)]
            ]
        );
    }

    proptest! {
        #[test]
        fn set_by_set_everything_ends_as_if_it_had_come_item_by_item(
            listed in proptest::collection::vec((0_u8..6, 0_u8..3), 0..40),
        ) {
            let items: Vec<(String, u8)> = listed.iter().map(|(id, n)| (id.to_string(), *n)).collect();
            let changes = |items: &[(String, u8)]| {
                let mut last: HashMap<String, u8> = HashMap::new();
                let written = items.iter().filter(|(id, n)| last.insert(id.clone(), *n) != Some(*n));
                let written: Vec<_> = written.cloned().collect();
                (written, last)
            };
            let sets = sets(items.clone(), |(id, _)| id);
            for set in &sets {
                let ids: std::collections::HashSet<_> = set.iter().map(|(id, _)| id).collect();
                prop_assert_eq!(ids.len(), set.len());
            }
            prop_assert_eq!(changes(&sets.concat()), changes(&items));
        }
    }
}
