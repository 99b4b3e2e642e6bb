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
        // They look the same.
        if name != self.wanted && letters(name).eq(letters(&self.wanted)) {
            return Some(0);
        }
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

/// Returns the letters of a name without their marks, and without white space. A Mac writes a mark behind its letter
/// (`カ` and `゙`), most others write both as one (`ガ`); on a screen these are the same.
fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter_map(|c| {
        let is_mark = matches!(c, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}');
        (!is_mark && !c.is_whitespace()).then(|| unmarked(c))
    })
}

/// Returns a kana without its mark. Katakana stand in the order of hiragana.
fn unmarked(c: char) -> char {
    const KATAKANA: u32 = 0x60;
    let code = u32::from(c);
    let kana = match code {
        0x30a1..=0x30f6 => code - KATAKANA,
        _ => code,
    };
    let steps = match kana {
        0x304b..=0x3062 => (kana - 0x304b) % 2,
        0x3064..=0x3069 => (kana - 0x3064) % 2,
        0x306f..=0x307d => (kana - 0x306f) % 3,
        0x3094 => 0x3094 - 0x3046,
        _ => 0,
    };
    char::from_u32(code - steps).unwrap_or(c)
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
        let mac = "カ\u{3099}イト\u{3099}フ\u{309a}.png";
        assert_eq!(nearest("ガイドプ.png", &["カイロ.png", mac]), [mac]);
        assert_eq!(
            nearest("がぢづどばぽゔ", &["かちつとはほう"]),
            ["かちつとはほう"]
        );
        assert_eq!(nearest("a  b c", &["a b\u{a0}c"]), ["a b\u{a0}c"]);
    }
}
