//! Custom domains: host names whose paths lead to APIs.
//!
//! Lives here: choosing the mapping of a request's host and path.
//! Does not live here: the API's own routes (`api`, `tree`), certificates (listeners).
//!
//! Contract: Amazon API Gateway Developer Guide, "Map API stages to a custom domain name": the longest base path that the
//! path begins with wins, whole segments count, the empty one takes the rest; `*.example.com` takes any one label. A path
//! that no mapping takes is forbidden, whatever other APIs there are.

use model::application::Application;
use model::door::{BasePathMapping, CustomDomain};

/// All domains of a revision.
#[derive(Debug, Default)]
pub(super) struct Domains {
    domains: Vec<CustomDomain>,
}

/// What a mapping makes of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapped<'a> {
    pub(super) mapping: &'a BasePathMapping,
    /// The path behind the base path.
    pub(super) path: &'a str,
}

impl Domains {
    pub(super) fn compile(application: &Application) -> Self {
        let mut domains = application.domains.clone();
        for domain in &mut domains {
            domain.name.make_ascii_lowercase();
            let length = |mapping: &BasePathMapping| std::cmp::Reverse(mapping.base_path.len());
            domain.mappings.sort_by_key(length);
        }
        // A name goes before a pattern that covers it.
        domains.sort_by_key(|domain| domain.name.starts_with('*'));
        Self { domains }
    }

    /// What the host and path of a request are mapped to. None: the host is no custom domain. None inside: no mapping
    /// takes the path.
    pub(super) fn find<'a>(
        &'a self,
        host: Option<&str>,
        path: &'a str,
    ) -> Option<Option<Mapped<'a>>> {
        if self.domains.is_empty() {
            return None;
        }
        let name = host?.split(':').next()?.to_ascii_lowercase();
        let domain = self.domains.iter().find(|one| covers(&one.name, &name))?;
        let mut mappings = domain.mappings.iter();
        Some(mappings.find_map(|mapping| {
            let path = behind(path, &mapping.base_path)?;
            Some(Mapped { mapping, path })
        }))
    }
}

fn covers(known: &str, name: &str) -> bool {
    match known.strip_prefix('*') {
        Some(rest) => name
            .strip_suffix(rest)
            .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        None => known == name,
    }
}

fn behind<'a>(path: &'a str, base_path: &str) -> Option<&'a str> {
    if base_path.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix('/')?.strip_prefix(base_path)?;
    match rest {
        "" => Some("/"),
        rest if rest.starts_with('/') => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use model::ids::{ApiId, RevisionId, StageName};

    use super::*;

    fn domain(name: &str, base_paths: &[&str]) -> CustomDomain {
        let mapping = |base_path: &&str| BasePathMapping {
            base_path: (*base_path).to_owned(),
            api: ApiId::new("api"),
            stage: StageName::new("dev"),
        };
        CustomDomain {
            name: name.to_owned(),
            mappings: base_paths.iter().map(mapping).collect(),
            place: None,
        }
    }

    #[test]
    fn a_host_and_a_path_lead_to_the_longest_base_path() {
        let mut application = Application::empty(RevisionId::new("r1"));
        application.domains = vec![
            domain("*.example.com", &["any"]),
            domain("api.Example.com", &["v1", "", "v1/pets"]),
            domain("only.example.org", &["v1"]),
        ];
        let domains = Domains::compile(&application);
        for (host, path, expected) in [
            (
                "api.example.com",
                "/v1/pets/7",
                Some(Some(("v1/pets", "/7"))),
            ),
            (
                "API.EXAMPLE.COM:3000",
                "/v1/petshop",
                Some(Some(("v1", "/petshop"))),
            ),
            ("api.example.com", "/v1", Some(Some(("v1", "/")))),
            ("api.example.com", "/v12", Some(Some(("", "/v12")))),
            ("b.example.com", "/any/x", Some(Some(("any", "/x")))),
            ("b.c.example.com", "/any/x", None),
            ("only.example.org", "/v2", Some(None)),
            ("localhost:3000", "/v1", None),
        ] {
            let found = domains.find(Some(host), path);
            let found = found.map(|mapped| {
                mapped.map(|mapped| (mapped.mapping.base_path.as_str(), mapped.path))
            });
            assert_eq!(found, expected, "{host} {path}");
        }
        assert_eq!(domains.find(None, "/v1"), None);
    }
}
