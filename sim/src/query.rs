//! Query strings, and the Content API's `filters`, `orders` and `fields`.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::times::parse_iso;

/// The decoded parameters of a query string, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `a=b&c=d`. As on the web, `+` is a space: a token that was not
    /// percent-encoded arrives broken.
    pub(crate) fn parse(text: &str) -> Self {
        let decode = |part: &str| {
            percent_decode_str(&part.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = text.split('&').filter(|part| !part.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name), decode(value))
                })
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Like [`Query::get`], but an empty value counts as absent.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

/// A condition on one content.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    All(Vec<Self>),
    Any(Vec<Self>),
    Test {
        field: String,
        operator: Operator,
        value: String,
    },
}

/// The operators of the docs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equals,
    NotEquals,
    LessThan,
    GreaterThan,
    Contains,
    NotContains,
    Exists,
    NotExists,
    BeginsWith,
}

impl Operator {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "equals" => Self::Equals,
            "not_equals" => Self::NotEquals,
            "less_than" => Self::LessThan,
            "greater_than" => Self::GreaterThan,
            "contains" => Self::Contains,
            "not_contains" => Self::NotContains,
            "exists" => Self::Exists,
            "not_exists" => Self::NotExists,
            "begins_with" => Self::BeginsWith,
            _ => return None,
        })
    }
}

impl Filter {
    /// Reads a filter; `[and]` binds tighter than `[or]`. `None` if it is malformed.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let filter = any(&mut rest, false)?;
        rest.is_empty().then_some(filter)
    }

    pub(crate) fn holds(&self, content: &Value) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(content)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(content)),
            Self::Test {
                field,
                operator,
                value,
            } => test(at(content, field), *operator, value),
        }
    }
}

fn any(rest: &mut &str, in_group: bool) -> Option<Filter> {
    let mut parts = vec![all(rest, in_group)?];
    while let Some(after) = rest.strip_prefix("[or]") {
        *rest = after;
        parts.push(all(rest, in_group)?);
    }
    Some(if parts.len() == 1 {
        parts.pop()?
    } else {
        Filter::Any(parts)
    })
}

fn all(rest: &mut &str, in_group: bool) -> Option<Filter> {
    let mut parts = vec![single(rest, in_group)?];
    while let Some(after) = rest.strip_prefix("[and]") {
        *rest = after;
        parts.push(single(rest, in_group)?);
    }
    Some(if parts.len() == 1 {
        parts.pop()?
    } else {
        Filter::All(parts)
    })
}

fn single(rest: &mut &str, in_group: bool) -> Option<Filter> {
    if let Some(inside) = rest.strip_prefix('(') {
        *rest = inside;
        let filter = any(rest, true)?;
        *rest = rest.strip_prefix(')')?;
        return Some(filter);
    }
    let (field, after) = rest.split_once('[')?;
    let (operator, after) = after.split_once(']')?;
    let operator = Operator::parse(operator)?;
    // A value ends at the next connector or, inside a group, at the parenthesis that closes it.
    let stops: &[&str] = if in_group {
        &["[and]", "[or]", ")"]
    } else {
        &["[and]", "[or]"]
    };
    let end = stops
        .iter()
        .filter_map(|stop| after.find(stop))
        .min()
        .unwrap_or(after.len());
    let (value, after) = after.split_at(end);
    *rest = after;
    (!field.is_empty()).then(|| Filter::Test {
        field: field.to_owned(),
        operator,
        value: value.to_owned(),
    })
}

/// The value at a dotted path.
fn at<'a>(content: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.')
        .try_fold(content, |value, part| value.get(part))
}

fn test(found: Option<&Value>, operator: Operator, wanted: &str) -> bool {
    let filled = found.filter(|value| !is_blank(value));
    match operator {
        Operator::Exists => filled.is_some(),
        Operator::NotExists => filled.is_none(),
        Operator::Equals => filled.is_some_and(|value| equals(value, wanted)),
        Operator::NotEquals => !filled.is_some_and(|value| equals(value, wanted)),
        Operator::LessThan => {
            filled.is_some_and(|value| compare(value, wanted) == Some(Ordering::Less))
        }
        Operator::GreaterThan => {
            filled.is_some_and(|value| compare(value, wanted) == Some(Ordering::Greater))
        }
        Operator::Contains => filled.is_some_and(|value| contains(value, wanted)),
        Operator::NotContains => !filled.is_some_and(|value| contains(value, wanted)),
        Operator::BeginsWith => filled
            .and_then(Value::as_str)
            .is_some_and(|text| text.starts_with(wanted)),
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn equals(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted || compare(value, wanted) == Some(Ordering::Equal),
        Value::Number(_) => compare(value, wanted) == Some(Ordering::Equal),
        Value::Bool(flag) => wanted == if *flag { "true" } else { "false" },
        // A relation equals the id of what it refers to.
        Value::Object(_) => value.get("id").and_then(Value::as_str) == Some(wanted),
        Value::Array(items) => items.iter().any(|item| equals(item, wanted)),
        Value::Null => false,
    }
}

fn compare(value: &Value, wanted: &str) -> Option<Ordering> {
    match value {
        Value::Number(number) => number.as_f64()?.partial_cmp(&wanted.parse::<f64>().ok()?),
        Value::String(text) => Some(parse_iso(text)?.cmp(&parse_iso(wanted)?)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn contains(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.contains(wanted),
        Value::Array(items) => items.iter().any(|item| equals(item, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// Sorts by `orders=-publishedAt,title`; equal ones keep the default order.
pub(crate) fn sort(contents: &mut [(usize, Value)], orders: &str) {
    let keys: Vec<(bool, &str)> = orders
        .split(',')
        .filter(|key| !key.is_empty() && *key != "system:default")
        .map(|key| {
            key.strip_prefix('-')
                .map_or((false, key), |key| (true, key))
        })
        .collect();
    contents.sort_by(|(_, a), (_, b)| {
        keys.iter().fold(Ordering::Equal, |order, (falling, key)| {
            let next = natural(at(a, key), at(b, key));
            order.then(if *falling { next.reverse() } else { next })
        })
    });
}

fn natural(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        (Some(Value::Bool(a)), Some(Value::Bool(b))) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Keeps only the fields of `fields=id,title,category.name`.
pub(crate) fn select(content: &Value, fields: &str) -> Value {
    let paths: Vec<&str> = fields
        .split(',')
        .map(str::trim)
        .filter(|path| !path.is_empty())
        .collect();
    pick(content, &paths)
}

fn pick(value: &Value, paths: &[&str]) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| pick(item, paths)).collect(),
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, inner) in fields {
                let deeper: Vec<&str> = paths
                    .iter()
                    .filter_map(|path| {
                        path.strip_prefix(name.as_str())
                            .and_then(|rest| rest.strip_prefix('.'))
                    })
                    .collect();
                if paths.contains(&name.as_str()) {
                    out.insert(name.clone(), inner.clone());
                } else if !deeper.is_empty() {
                    out.insert(name.clone(), pick(inner, &deeper));
                }
            }
            Value::Object(out)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(filter: &str) -> bool {
        let content = json!({
            "id": "a", "title": "お知らせ (1)", "price": 12, "featured": true, "label": ["news"],
            "category": {"id": "c1"}, "related": [{"id": "r1"}], "empty": "",
            "updatedAt": "2026-11-20T00:00:00.000Z", "seo": {"heading": "h"},
        });
        Filter::parse(filter)
            .unwrap_or_else(|| panic!("{filter} is a filter"))
            .holds(&content)
    }

    #[test]
    fn each_operator_does_what_the_docs_say() {
        for (filter, expected) in [
            ("id[equals]a", true),
            ("id[not_equals]a", false),
            ("price[less_than]13", true),
            ("price[less_than]12", false),
            ("price[greater_than]2", true),
            ("title[contains]知らせ", true),
            ("title[not_contains]知らせ", false),
            ("title[contains](1)", true),
            ("title[begins_with]お", true),
            ("label[contains]news", true),
            ("related[contains]r1", true),
            ("category[equals]c1", true),
            ("featured[equals]true", true),
            ("empty[exists]", false),
            ("missing[not_exists]", true),
            ("price[exists]", true),
            ("seo.heading[equals]h", true),
            ("updatedAt[greater_than]2026-11-20T00:00:00Z", false),
            ("updatedAt[greater_than]2026-11-19T23:59:59Z", true),
            ("updatedAt[equals]2026-11-20T00:00:00Z", true),
        ] {
            assert_eq!(holds(filter), expected, "{filter}");
        }
    }

    #[test]
    fn connectors_and_parentheses_group() {
        assert!(holds("id[equals]a[or]id[equals]b[and]price[equals]0"));
        assert!(!holds("(id[equals]a[or]id[equals]b)[and]price[equals]0"));
        assert!(holds("(id[equals]x[or]((price[exists])))"));
    }

    #[test]
    fn malformed_filters_are_refused() {
        for filter in [
            "",
            "id",
            "id[is]a",
            "id[equals]a[and]",
            "(id[equals]a",
            "[equals]a",
        ] {
            assert_eq!(Filter::parse(filter), None, "{filter}");
        }
    }

    #[test]
    fn fields_reach_into_objects() {
        let content = json!({"id": "a", "title": "t", "eyecatch": {"url": "u", "width": 1}});
        assert_eq!(
            select(&content, "id,eyecatch.url"),
            json!({"id": "a", "eyecatch": {"url": "u"}})
        );
    }

    #[test]
    fn plus_is_a_space_and_percent_is_decoded() {
        let query = Query::parse("token=a%2Bb+c&empty=&flag");
        assert_eq!(query.get("token"), Some("a+b c"));
        assert_eq!(query.filled("empty"), None);
        assert_eq!(query.get("flag"), Some(""));
    }
}
