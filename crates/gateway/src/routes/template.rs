//! Path templates of routes: `/pets/{id}`, `/files/{proxy+}`.
//!
//! Lives here: reading a template, and taking its variables out of a path that it matches.
//! Does not live here: which of many templates wins (`tree`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Important notes for REST APIs" (a variable is a whole segment) and
//! "Create routes for HTTP APIs" (a greedy variable is the last segment).

/// A path, segment by segment. The root has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

/// One segment of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// `pets`: this text.
    Static(Box<str>),
    /// `{id}`: one segment, whatever it says.
    Variable(Box<str>),
    /// `{proxy+}`: the rest of the path, at least one segment.
    Greedy(Box<str>),
}

/// A template that no API can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// It does not begin at the root.
    #[error("the path `{template}` does not begin with `/`")]
    NoSlash {
        /// The template.
        template: String,
    },
    /// A segment holds a brace without being one variable.
    #[error("`{segment}` in the path `{template}` is neither text nor one variable")]
    Brace {
        /// The template.
        template: String,
        /// The segment.
        segment: String,
    },
    /// Something follows a greedy variable.
    #[error("`{segment}` in the path `{template}` is greedy, but not the last")]
    GreedyNotLast {
        /// The template.
        template: String,
        /// The segment.
        segment: String,
    },
}

impl Template {
    /// Reads a template. A slash at its end is not part of it, as the front ends of the cloud cut it off too.
    pub(crate) fn parse(template: &str) -> Result<Self, TemplateError> {
        let Some(path) = template.strip_prefix('/') else {
            return Err(TemplateError::NoSlash {
                template: template.to_owned(),
            });
        };
        let path = path.trim_end_matches('/');
        let mut segments = Vec::new();
        if path.is_empty() {
            return Ok(Self { segments });
        }
        for text in path.split('/') {
            if let Some(Segment::Greedy(name)) = segments.last() {
                return Err(TemplateError::GreedyNotLast {
                    template: template.to_owned(),
                    segment: format!("{{{name}+}}"),
                });
            }
            segments.push(segment(text).ok_or_else(|| TemplateError::Brace {
                template: template.to_owned(),
                segment: text.to_owned(),
            })?);
        }
        Ok(Self { segments })
    }

    /// Its segments, first to last.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether it matches the same paths as another, whatever the variables are called.
    pub(crate) fn matches_the_same(&self, other: &Self) -> bool {
        let same = |pair: (&Segment, &Segment)| match pair {
            (Segment::Static(one), Segment::Static(two)) => one == two,
            (Segment::Variable(_), Segment::Variable(_)) => true,
            (Segment::Greedy(_), Segment::Greedy(_)) => true,
            (Segment::Static(_) | Segment::Variable(_) | Segment::Greedy(_), _) => false,
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(same)
    }

    /// The variables with their values in a path (without its leading slash) that the template matches.
    pub(crate) fn values<'a>(
        &'a self,
        path: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        let mut rest = Some(path);
        self.segments.iter().filter_map(move |segment| {
            let behind = rest.take()?;
            let (here, after) = match behind.split_once('/') {
                Some((here, after)) => (here, Some(after)),
                None => (behind, None),
            };
            rest = after;
            match segment {
                Segment::Static(_) => None,
                Segment::Variable(name) => Some((&**name, here)),
                Segment::Greedy(name) => Some((&**name, behind)),
            }
        })
    }
}

fn segment(text: &str) -> Option<Segment> {
    let Some(variable) = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'))
    else {
        return (!text.contains(['{', '}'])).then(|| Segment::Static(text.into()));
    };
    let (name, greedy) = match variable.strip_suffix('+') {
        Some(name) => (name, true),
        None => (variable, false),
    };
    if name.is_empty() || name.contains(['{', '}', '+']) {
        return None;
    }
    Some(if greedy {
        Segment::Greedy(name.into())
    } else {
        Segment::Variable(name.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, path: &str) -> String {
        let template = Template::parse(template).unwrap();
        template
            .values(path)
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn variables_take_their_segment_and_a_greedy_one_the_rest() {
        assert_eq!(
            values("/pets/{id}/toys/{toy}", "pets/7/toys/9"),
            "id=7 toy=9"
        );
        assert_eq!(values("/{proxy+}", "a//b/"), "proxy=a//b/");
        assert_eq!(values("/x/{proxy+}", "x/a"), "proxy=a");
        assert_eq!(values("/", ""), "");
    }

    #[test]
    fn what_no_api_can_hold_is_refused() {
        for template in [
            "", "pets", "/x{id}", "/{id", "/{}", "/{+}", "/{a+}/b", "/{a}{b}",
        ] {
            assert!(Template::parse(template).is_err(), "{template}");
        }
    }
}
