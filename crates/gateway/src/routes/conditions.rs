//! What stands before a route, in a few words.
//!
//! Lives here: authorizers, keys, rates and caches as `cloudless routes` shows them.
//! Does not live here: carrying them out (`authorise`, `throttle`, `cache`).

use model::door::{Authorization, Authorizer, AuthorizerKind, Guard, MethodCache, Rate};
use model::function_url::AuthType;

/// Tokens of a [`Rate`] are counted by this many seconds.
const RATE_SECONDS: u64 = 1_000;

/// Who may call, as `JWT users (pets.read)`, `IAM, API key`; nothing when anybody may.
pub(super) fn who(guard: &Guard) -> Option<String> {
    let shown = match &guard.authorization {
        Authorization::Open => None,
        Authorization::Iam => Some("IAM".to_owned()),
        Authorization::Authorizer { authorizer, scopes } if scopes.is_empty() => {
            Some(by(authorizer))
        }
        Authorization::Authorizer { authorizer, scopes } => {
            Some(format!("{} ({})", by(authorizer), scopes.join(" ")))
        }
    };
    let key = guard.api_key_required.then(|| "API key".to_owned());
    let all: Vec<String> = shown.into_iter().chain(key).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn by(authorizer: &Authorizer) -> String {
    let kind = match &authorizer.kind {
        AuthorizerKind::Jwt { .. } => "JWT",
        AuthorizerKind::UserPools { .. } => "user pool",
        AuthorizerKind::Token { .. } | AuthorizerKind::Request { .. } => "authorizer",
    };
    format!("{kind} {}", authorizer.name)
}

pub(super) fn who_of_url(auth: AuthType) -> Option<String> {
    match auth {
        AuthType::Open => None,
        AuthType::Nobody => Some("nobody".to_owned()),
        AuthType::Iam => Some("IAM".to_owned()),
    }
}

/// As `10/s, burst 20`.
pub(super) fn how_often(rate: &Rate) -> String {
    let (whole, part) = (
        rate.per_1000_s / RATE_SECONDS,
        rate.per_1000_s % RATE_SECONDS,
    );
    let digits = format!("{part:03}");
    let shown = match digits.trim_end_matches('0') {
        "" => whole.to_string(),
        part => format!("{whole}.{part}"),
    };
    format!("{shown}/s, burst {}", rate.burst)
}

/// As `300 s`.
pub(super) fn how_long(cache: &MethodCache) -> String {
    format!("{} s", cache.ttl.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shown_as_they_were_written() {
        for (per_1000_s, burst, expected) in [
            (10_000, 20, "10/s, burst 20"),
            (500, 1, "0.5/s, burst 1"),
            (1_025, 0, "1.025/s, burst 0"),
        ] {
            assert_eq!(how_often(&Rate { per_1000_s, burst }), expected);
        }
    }

    #[test]
    fn a_guard_says_what_must_be_shown() {
        let open = Guard::default();
        assert_eq!(who(&open), None);
        let keyed = Guard {
            authorization: Authorization::Iam,
            api_key_required: true,
        };
        assert_eq!(who(&keyed).as_deref(), Some("IAM, API key"));
    }
}
