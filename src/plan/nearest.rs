//! The names that come nearest to one that nobody knows.

/// Keeps the best few of any number of names.
#[derive(Clone, Debug)]
pub struct Nearest {
    wanted: String,
    most: usize,
    /// The best first.
    best: Vec<(usize, String)>,
}

impl Nearest {
    /// Looks for up to `most` names like `wanted`. Case does not count.
    pub fn new(wanted: &str, most: usize) -> Self {
        Self {
            wanted: wanted.to_lowercase(),
            most,
            best: Vec::new(),
        }
    }

    /// Offers a name; `shown` is how it would be told.
    pub fn offer(&mut self, name: &str, shown: impl FnOnce() -> String) {
        let Some(distance) = self.distance(&name.to_lowercase()) else {
            return;
        };
        let is_good = self.best.len() < self.most
            || self.best.last().is_some_and(|(worst, _)| distance < *worst);
        if !is_good {
            return;
        }
        let shown = shown();
        if self.best.iter().any(|(_, known)| *known == shown) {
            return;
        }
        let place = self.best.partition_point(|(other, _)| *other <= distance);
        self.best.insert(place, (distance, shown));
        self.best.truncate(self.most);
    }

    /// Returns the names, the nearest first.
    pub fn names(self) -> Vec<String> {
        self.best.into_iter().map(|(_, shown)| shown).collect()
    }

    /// How many letters are wrong; `None`: too many to be the same name. A name that the wanted one is a
    /// part of is as near as one wrong letter.
    fn distance(&self, name: &str) -> Option<usize> {
        const SHORTEST_PART: usize = 3;
        let length = self.wanted.chars().count();
        if length == 0 {
            return None;
        }
        let is_part = length >= SHORTEST_PART && name != self.wanted && name.contains(&self.wanted);
        if is_part {
            return Some(1);
        }
        let most = (length / 3).max(1);
        // Names whose lengths differ by more cannot be nearer, and comparing costs.
        if name.chars().count().abs_diff(length) > most {
            return None;
        }
        let distance = strsim::damerau_levenshtein(name, &self.wanted);
        (distance <= most).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest(wanted: &str, names: &[&str]) -> Vec<String> {
        let mut nearest = Nearest::new(wanted, 2);
        for name in names {
            nearest.offer(name, || (*name).to_owned());
        }
        nearest.names()
    }

    #[test]
    fn the_best_few_are_kept_in_order() {
        assert_eq!(
            nearest("hello", &["hullx", "helo", "world", "Hello", "hello-world"]),
            ["Hello", "helo"]
        );
        assert_eq!(nearest("lo", &["blog", "le", "x"]), ["le"]);
        assert_eq!(nearest("記事", &["記亊", "何か"]), ["記亊"]);
        assert!(nearest("hello", &["", "something-else"]).is_empty());
        assert_eq!(nearest("abc", &["abd", "abd"]), ["abd"]);
    }
}
