//! Methods of texts.
//!
//! Lives here: those of `java.lang.String` that templates use.
//! Does not live here: patterns themselves (`text`), which value has which methods (`methods`).
//!
//! Contract: Java SE 8, `String`. Differs: places in a text are counted in characters, where Java counts the units of
//! UTF-16: they differ behind characters outside the basic plane alone.

use super::Machine;
use super::methods::{Called, Failure};
use crate::RenderError;
use crate::text::{self, Extent, Reach};
use crate::value::{Look, Value};

/// What making a pattern counts for, in bytes of text, besides its weight as often.
const PATTERN_MADE_BYTES: usize = 2 * 1024;
const WEIGHT_MADE_BYTES: usize = 64;

/// A pattern that a text is searched for.
struct Pattern {
    regex: regex_lite::Regex,
    weight: usize,
    reach: Reach,
}

impl Machine<'_> {
    pub(super) fn text_method(&mut self, plain: &str, name: &str, arguments: &[Value]) -> Called {
        // Each reads the whole text at most once, or makes another of its size.
        self.made(plain.len())?;
        for argument in arguments {
            if let Value::Text(other) = argument {
                self.made(other.len())?;
            }
        }
        match arguments {
            [] => self.without_arguments(plain, name),
            [Value::Text(other)] => self.with_text(plain, name, other),
            [one] => self.with_one(plain, name, one),
            [Value::Text(one), Value::Text(two)] => self.with_texts(plain, name, (one, two)),
            [Value::Text(pattern), Value::Whole(limit)] if name == "split" => {
                self.split(plain, pattern, *limit)
            }
            [Value::Text(part), Value::Whole(from)] if name == "indexOf" => {
                let from = usize::try_from((*from).max(0)).unwrap_or(usize::MAX);
                let skipped: usize = plain.chars().take(from).map(char::len_utf8).sum();
                let behind = plain.get(skipped..).unwrap_or_default();
                let found = behind.find(&**part).map(|at| skipped + at);
                Ok(place_of(plain, found))
            }
            [Value::Whole(from), Value::Whole(to)]
                if name == "substring" || name == "subSequence" =>
            {
                self.substring(plain, *from, Some(*to))
            }
            [glue, Value::List(list)] if name == "join" => {
                let glue = self.shown(glue)?;
                let mut parts = Vec::new();
                for item in self.heap.items(*list).to_vec() {
                    parts.push(self.shown(&item)?);
                }
                Ok(self.text(&parts.join(&glue))?)
            }
            _ => Err(Failure::Unknown),
        }
    }

    fn without_arguments(&mut self, plain: &str, name: &str) -> Called {
        Ok(match name {
            "length" => count(plain),
            "isEmpty" => Value::Bool(plain.is_empty()),
            "trim" => self.text(plain.trim_matches(|letter| letter <= ' '))?,
            "toLowerCase" => self.text(&plain.to_lowercase())?,
            "toUpperCase" => self.text(&plain.to_uppercase())?,
            "intern" => self.text(plain)?,
            "toCharArray" => {
                self.made(plain.len() * size_of::<Value>())?;
                let letters = plain
                    .chars()
                    .map(|letter| Value::Text(letter.to_string().into()));
                let letters = letters.collect();
                self.heap.list(letters, Look::Java)
            }
            _ => return Err(Failure::Unknown),
        })
    }

    fn with_text(&mut self, plain: &str, name: &str, other: &str) -> Called {
        Ok(match name {
            "contains" => Value::Bool(plain.contains(other)),
            "startsWith" => Value::Bool(plain.starts_with(other)),
            "endsWith" => Value::Bool(plain.ends_with(other)),
            "equalsIgnoreCase" => Value::Bool(plain.to_lowercase() == other.to_lowercase()),
            "compareTo" => Value::Whole(plain.cmp(other) as i64),
            "compareToIgnoreCase" => {
                Value::Whole(plain.to_lowercase().cmp(&other.to_lowercase()) as i64)
            }
            "concat" => self.text(&format!("{plain}{other}"))?,
            "indexOf" => place_of(plain, plain.find(other)),
            "lastIndexOf" => place_of(plain, plain.rfind(other)),
            "matches" => {
                let pattern = self.pattern(&text::whole(other), plain)?;
                Value::Bool(pattern.regex.is_match(plain))
            }
            "split" => return self.split(plain, other, 0),
            "valueOf" => self.text(other)?,
            _ => return Err(Failure::Unknown),
        })
    }

    fn with_one(&mut self, plain: &str, name: &str, one: &Value) -> Called {
        match (name, one) {
            ("substring", Value::Whole(from)) => self.substring(plain, *from, None),
            ("charAt", Value::Whole(place)) => {
                let letter = usize::try_from(*place)
                    .ok()
                    .and_then(|place| plain.chars().nth(place));
                let letter = letter.ok_or_else(|| format!("String index out of range: {place}"))?;
                Ok(self.text(&letter.to_string())?)
            }
            ("valueOf", other) => {
                let shown = self.shown(other)?;
                Ok(self.text(&shown)?)
            }
            ("contains" | "equalsIgnoreCase" | "startsWith" | "endsWith", Value::Null) => {
                Ok(Value::Bool(false))
            }
            _ => Err(Failure::Unknown),
        }
    }

    fn with_texts(&mut self, plain: &str, name: &str, (one, two): (&str, &str)) -> Called {
        let extent = match name {
            "replace" => {
                self.grown(plain, plain.matches(one).count(), two)?;
                return Ok(self.text(&plain.replace(one, two))?);
            }
            "replaceAll" => Extent::All,
            "replaceFirst" => Extent::First,
            _ => return Err(Failure::Unknown),
        };
        let pattern = self.pattern(one, plain)?;
        if extent == Extent::All {
            // What is found is looked for once more when it is replaced.
            self.searched(plain.len(), pattern.weight)?;
            let count = self.found(&pattern, plain, usize::MAX)?;
            // A group is as long as the text at most, and there are few.
            let groups = two.matches('$').count();
            self.grown(plain, count, two)?;
            self.made(groups * plain.len())?;
        }
        let replaced = text::replaced(plain, &pattern.regex, two, extent)?;
        Ok(self.text(&replaced)?)
    }

    /// A pattern for searching a text, which takes as long as both are.
    fn pattern(&mut self, written: &str, plain: &str) -> Result<Pattern, Failure> {
        let (regex, weight) = text::pattern(written)?;
        self.made(PATTERN_MADE_BYTES + weight.saturating_mul(WEIGHT_MADE_BYTES))?;
        self.searched(plain.len(), weight)?;
        Ok(Pattern {
            regex,
            weight,
            reach: text::reach(written, weight),
        })
    }

    fn searched(&mut self, bytes: usize, weight: usize) -> Result<(), RenderError> {
        self.steps(text::steps_of_search(bytes, weight))
    }

    /// How often a pattern fits, at most so often. Each search counts as what it may read behind what fits.
    fn found(
        &mut self,
        pattern: &Pattern,
        plain: &str,
        count_max: usize,
    ) -> Result<usize, Failure> {
        let mut count = 0;
        for found in pattern.regex.find_iter(plain).take(count_max) {
            let behind = plain.len() - found.end();
            let read = match pattern.reach {
                Reach::Short(bytes) => bytes.min(behind),
                Reach::Far => behind,
            };
            self.searched(read, pattern.weight)?;
            count += 1;
        }
        Ok(count)
    }

    /// Refuses a text that would be too long before it is made.
    fn grown(&mut self, plain: &str, count: usize, by: &str) -> Result<(), Failure> {
        let bytes = count.saturating_mul(by.len()).saturating_add(plain.len());
        Ok(self.made(bytes)?)
    }

    fn split(&mut self, plain: &str, by: &str, limit: i64) -> Called {
        let pattern = self.pattern(by, plain)?;
        // What fits at the beginning or the end may make no piece.
        let most = usize::try_from(limit).ok().filter(|limit| 0 < *limit);
        let count = self.found(&pattern, plain, most.map_or(usize::MAX, |most| most + 1))?;
        self.made((count + 1) * size_of::<Value>())?;
        let pieces = text::split(plain, &pattern.regex, limit);
        let pieces = pieces.into_iter().map(|piece| Value::Text(piece.into()));
        let pieces = pieces.collect();
        Ok(self.heap.list(pieces, Look::Java))
    }

    fn substring(&mut self, plain: &str, from: i64, to: Option<i64>) -> Called {
        let length = plain.chars().count();
        let end = to.map_or(Ok(length), usize::try_from);
        let (Ok(begin), Ok(end)) = (usize::try_from(from), end) else {
            return Err(Failure::Failed("String index out of range".to_owned()));
        };
        if end < begin || length < end {
            let shown = if end < begin {
                from
            } else {
                to.unwrap_or(from)
            };
            return Err(Failure::Failed(format!(
                "String index out of range: {shown}"
            )));
        }
        let part: String = plain.chars().skip(begin).take(end - begin).collect();
        Ok(self.text(&part)?)
    }
}

fn count(plain: &str) -> Value {
    Value::Whole(i64::try_from(plain.chars().count()).unwrap_or(i64::MAX))
}

fn place_of(plain: &str, found: Option<usize>) -> Value {
    found.map_or(Value::Whole(-1), |at| {
        count(plain.get(..at).unwrap_or_default())
    })
}
