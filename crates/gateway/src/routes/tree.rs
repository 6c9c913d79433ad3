//! The routes of one API as an immutable tree, so that one route and a thousand cost about the same.
//!
//! Lives here: inserting templates, and which of them wins for a path.
//! Does not live here: taking a request's path apart (`target`), choosing among APIs (`table`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Create routes for HTTP APIs", routing API requests; for REST APIs
//! recorded exchanges: a resource that lacks the method hands the request on to the greedy one beside it.

use std::collections::HashMap;

use super::template::{Segment, Template};

/// What `ANY` stands for.
pub(crate) const ANY_METHODS: [&str; 7] =
    ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// Which match is the best one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// REST APIs: at each segment text before variable before greedy variable.
    SegmentBySegment,
    /// HTTP APIs: a full match before any greedy one; then as above.
    FullMatchFirst,
}

/// A tree of templates. A route is a number that the caller gave.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The first is the root. Children are found by their number: an arena, so that nothing is boxed.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
struct Node {
    statics: HashMap<Box<str>, usize>,
    variable: Option<usize>,
    here: Methods,
    greedy: Methods,
}

#[derive(Debug, Clone, Default)]
struct Methods {
    exact: Vec<(Box<str>, usize)>,
    any: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greedy {
    Allowed,
    Refused,
}

impl Tree {
    /// A tree without routes.
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }

    /// Adds a route.
    ///
    /// # Errors
    /// The route that answers the same method and path already; the tree is unchanged then.
    pub(crate) fn insert(
        &mut self,
        template: &Template,
        method: &str,
        route: usize,
    ) -> Result<(), usize> {
        let mut at = 0;
        let mut greedy = false;
        for segment in template.segments() {
            match segment {
                Segment::Static(text) => at = self.static_child(at, text),
                Segment::Variable(_) => at = self.variable_child(at),
                // `Template::parse` has made sure that nothing follows.
                Segment::Greedy(_) => greedy = true,
            }
        }
        let Some(node) = self.nodes.get_mut(at) else {
            return Ok(());
        };
        let methods = if greedy {
            &mut node.greedy
        } else {
            &mut node.here
        };
        methods.insert(method, route)
    }

    /// The route that answers.
    pub(crate) fn find(
        &self,
        precedence: Precedence,
        method: &str,
        segments: &[&str],
    ) -> Option<usize> {
        let wanted = |methods: &Methods| methods.find(method);
        match precedence {
            Precedence::SegmentBySegment => self.descend(0, segments, Greedy::Allowed, &wanted),
            Precedence::FullMatchFirst => self
                .descend(0, segments, Greedy::Refused, &wanted)
                .or_else(|| self.descend(0, segments, Greedy::Allowed, &wanted)),
        }
    }

    /// Any route whose path matches, whatever its method: for telling the developer how near the request was.
    pub(crate) fn find_any_method(&self, segments: &[&str]) -> Option<usize> {
        self.descend(0, segments, Greedy::Allowed, &Methods::first)
    }

    /// Every node stands for one path, so that a request visits each at most once, whatever it looks like; and
    /// the depth is that of the deepest template, not that of the request.
    fn descend(
        &self,
        at: usize,
        segments: &[&str],
        greedy: Greedy,
        wanted: &dyn Fn(&Methods) -> Option<usize>,
    ) -> Option<usize> {
        let node = self.nodes.get(at)?;
        let Some((first, rest)) = segments.split_first() else {
            return wanted(&node.here);
        };
        let text = || {
            let child = node.statics.get(*first)?;
            self.descend(*child, rest, greedy, wanted)
        };
        let variable = || {
            let child = node.variable.filter(|_| !first.is_empty())?;
            self.descend(child, rest, greedy, wanted)
        };
        let remainder = || {
            let something_is_left = !(first.is_empty() && rest.is_empty());
            (greedy == Greedy::Allowed && something_is_left)
                .then(|| wanted(&node.greedy))
                .flatten()
        };
        text().or_else(variable).or_else(remainder)
    }

    fn static_child(&mut self, at: usize, text: &str) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = *node.statics.entry(text.into()).or_insert(fresh);
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child
    }

    fn variable_child(&mut self, at: usize) -> usize {
        let fresh = self.nodes.len();
        let Some(node) = self.nodes.get_mut(at) else {
            return at;
        };
        let child = *node.variable.get_or_insert(fresh);
        if child == fresh {
            self.nodes.push(Node::default());
        }
        child
    }
}

impl Methods {
    fn insert(&mut self, method: &str, route: usize) -> Result<(), usize> {
        if method.eq_ignore_ascii_case("ANY") {
            return match self.any {
                Some(existing) => Err(existing),
                None => {
                    self.any = Some(route);
                    Ok(())
                }
            };
        }
        let taken = self
            .exact
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(method));
        if let Some((_, existing)) = taken {
            return Err(*existing);
        }
        self.exact.push((method.to_ascii_uppercase().into(), route));
        Ok(())
    }

    fn find(&self, method: &str) -> Option<usize> {
        self.exact
            .iter()
            .find(|(known, _)| &**known == method)
            .map(|(_, route)| *route)
            .or_else(|| self.any.filter(|_| ANY_METHODS.contains(&method)))
    }

    fn first(&self) -> Option<usize> {
        self.exact.first().map(|(_, route)| *route).or(self.any)
    }
}
