//! Expressions that were parsed before.
//!
//! Lives here: the trees of recent texts, one store for each kind of expression; bounded.
//! Does not live here: names and values, which each request resolves anew (`placeholders`).
//!
//! A program sends the same few texts over and over with other values. What a text parses to depends on nothing else, so the
//! stores are shared by everything in the process. Each has two generations: what is used moves to the young one, and
//! when that is full it becomes the old one, whose unused half is forgotten.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use super::parser;
use super::syntax::{Node, Path};
use super::update_parser::{self, Action};

/// Bytes of texts in one generation. A tree takes about ten times its text.
const GENERATION_BYTES_MAX: usize = 128 * 1024;

static CONDITIONS: LazyLock<Cache<Node>> = LazyLock::new(Cache::default);
static PROJECTIONS: LazyLock<Cache<Vec<Path>>> = LazyLock::new(Cache::default);
static UPDATES: LazyLock<Cache<Vec<Action>>> = LazyLock::new(Cache::default);

/// As [`parser::condition`].
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub fn condition(text: &str) -> Result<Arc<Node>, String> {
    CONDITIONS.parsed(text, parser::condition)
}

/// As [`parser::paths`].
///
/// # Errors
/// The text that stands after `Invalid …Expression: `.
pub fn paths(text: &str) -> Result<Arc<Vec<Path>>, String> {
    PROJECTIONS.parsed(text, parser::paths)
}

/// As [`update_parser::update`].
pub(super) fn update(text: &str) -> Result<Arc<Vec<Action>>, String> {
    UPDATES.parsed(text, update_parser::update)
}

struct Cache<T> {
    generations: RwLock<Generations<T>>,
}

struct Generations<T> {
    young: HashMap<String, Arc<T>>,
    young_bytes: usize,
    old: HashMap<String, Arc<T>>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            generations: RwLock::new(Generations {
                young: HashMap::new(),
                young_bytes: 0,
                old: HashMap::new(),
            }),
        }
    }
}

impl<T> Cache<T> {
    /// What the text parses to; what does not parse is not kept.
    fn parsed(
        &self,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Arc<T>, String> {
        let generations = self.generations.read();
        let generations = generations.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = generations.young.get(text) {
            return Ok(Arc::clone(known));
        }
        let known = generations.old.get(text).map(Arc::clone);
        drop(generations);
        let tree = match known {
            Some(known) => known,
            None => Arc::new(parse(text)?),
        };
        self.keep(text, &tree);
        Ok(tree)
    }

    fn keep(&self, text: &str, tree: &Arc<T>) {
        let generations = self.generations.write();
        let mut generations = generations.unwrap_or_else(PoisonError::into_inner);
        if GENERATION_BYTES_MAX < generations.young_bytes + text.len() {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        let replaced = generations.young.insert(text.to_owned(), Arc::clone(tree));
        if replaced.is_none() {
            generations.young_bytes += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_parsed_once_while_it_is_used() {
        let cache = Cache::default();
        let mut count = 0;
        for _ in 0..3 {
            let tree = cache.parsed("a", |_| {
                count += 1;
                Ok(count)
            });
            assert_eq!(tree, Ok(Arc::new(1)));
        }
        assert_eq!(
            cache.parsed("b", |_| Err("no".to_owned())),
            Err("no".to_owned())
        );
        assert_eq!(cache.parsed("b", |_| Ok(7)), Ok(Arc::new(7)));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let cache = Cache::default();
        assert_eq!(cache.parsed("used", |_| Ok(0)), Ok(Arc::new(0)));
        for number in 0..2_000 {
            let text = format!("{number:>1000}");
            assert_eq!(cache.parsed(&text, |_| Ok(number)), Ok(Arc::new(number)));
            assert_eq!(cache.parsed("used", |_| Ok(-1)), Ok(Arc::new(0)));
        }
        let kept = cache
            .generations
            .read()
            .map(|all| all.young.len() + all.old.len());
        assert!(kept.is_ok_and(|kept| kept <= 2 * GENERATION_BYTES_MAX / 1000 + 2));
    }
}
