//! The path of a request: behind which stage, decoded or not, and into which segments it falls.
//!
//! Lives here: percent-encoding as the two kinds of API treat it, slashes, the stage's prefix.
//! Does not live here: matching (`tree`), query strings (`events::query`).
//!
//! Contract: recorded exchanges. REST APIs keep the path as sent, also in path parameters, ignore slashes at its
//! end for matching, and take many slashes before the first segment for one. HTTP APIs decode the whole path
//! first, so that `%2F` separates segments and a decoded `?` ends the path, and ignore no slash.

use std::borrow::Cow;

/// A path with an encoding that is none, or that hides a NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EncodingError {
    /// A `%` without two hexadecimal digits behind it.
    #[error("a `%` in it is not followed by two hexadecimal digits")]
    Incomplete,
    /// `%00`.
    #[error("it holds an encoded NUL")]
    Nul,
}

/// What is left of the path behind a stage's prefix; none: the path does not begin with it.
pub(crate) fn behind_stage<'a>(path: &'a str, stage: &str) -> Option<&'a str> {
    let rest = path.trim_start_matches('/').strip_prefix(stage)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// What is left of a target, or of a path, behind what clients put before each of theirs; none: it does not begin so.
pub(crate) fn behind_base<'a>(target: &'a str, base: &str) -> Option<Cow<'a, str>> {
    let rest = target.strip_prefix(base)?;
    match rest.as_bytes().first() {
        Some(b'/') => Some(Cow::Borrowed(rest)),
        Some(b'?') | None => Some(Cow::Owned(format!("/{rest}"))),
        Some(_) => None,
    }
}

/// A base path as it is compared: with a slash before it, and none behind; none: there is nothing of it.
pub(crate) fn base_path(written: &str) -> Option<String> {
    let bare = written.trim_matches('/');
    (!bare.is_empty()).then(|| format!("/{bare}"))
}

/// Whether every percent-encoding is whole, and none of them is a NUL.
pub(crate) fn check_encoding(text: &str) -> Result<(), EncodingError> {
    let mut parts = text.split('%');
    parts.next();
    for part in parts {
        let digits = part.as_bytes().get(..2);
        match digits {
            Some(b"00") => return Err(EncodingError::Nul),
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            Some(_) | None => return Err(EncodingError::Incomplete),
        }
    }
    Ok(())
}

/// The path of a REST API's request, with one slash before it: what `event.path` shows.
pub(crate) fn rest_path(behind_stage: &str) -> Cow<'_, str> {
    if behind_stage.starts_with('/') && !behind_stage.starts_with("//") {
        return Cow::Borrowed(behind_stage);
    }
    Cow::Owned(format!("/{}", behind_stage.trim_start_matches('/')))
}

/// What a REST API matches: no slash before it, none behind it.
pub(crate) fn rest_match(path: &str) -> &str {
    path.trim_matches('/')
}

/// The path of an HTTP API's request: what `event.rawPath` shows behind the stage.
pub(crate) fn http_path(behind_stage: &str) -> Cow<'_, str> {
    let decoded = decode(behind_stage);
    let end = decoded.find('?').unwrap_or(decoded.len());
    let whole = end == decoded.len() && decoded.starts_with('/');
    if whole {
        return decoded;
    }
    let path = decoded.get(..end).unwrap_or_default();
    Cow::Owned(format!("/{}", path.strip_prefix('/').unwrap_or(path)))
}

/// What an HTTP API matches: the path without the one slash before it.
pub(crate) fn http_match(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// The segments of a path without its leading slash; the root has none.
pub(crate) fn segments(path: &str) -> Vec<&str> {
    if path.is_empty() {
        return Vec::new();
    }
    path.split('/').collect()
}

/// Percent-decoded; bytes that are not UTF-8 become the replacement character, as the JVM's decoder does it.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_a_whole_segment_behind_any_number_of_slashes() {
        for (path, rest) in [
            ("/dev/pets", Some("/pets")),
            ("//dev/pets", Some("/pets")),
            ("/dev//pets", Some("//pets")),
            ("/dev", Some("")),
            ("/dev/", Some("/")),
            ("/develop", None),
            ("/pets/dev", None),
            ("/", None),
        ] {
            assert_eq!(behind_stage(path, "dev"), rest, "{path}");
        }
    }

    #[test]
    fn a_base_path_is_a_whole_segment() {
        for (target, rest) in [
            ("/base/a?b=c", Some("/a?b=c")),
            ("/base", Some("/")),
            ("/base?b=c", Some("/?b=c")),
            ("/based", None),
            ("/a/base", None),
        ] {
            assert_eq!(behind_base(target, "/base").as_deref(), rest, "{target}");
        }
        assert_eq!(base_path("base/"), Some("/base".to_owned()));
        assert_eq!(base_path("/"), None);
    }

    #[test]
    fn broken_encodings_and_nul_are_told_apart() {
        for (path, expected) in [
            ("/a%20b", Ok(())),
            ("/%e2%82%AC", Ok(())),
            ("/100%", Err(EncodingError::Incomplete)),
            ("/%2", Err(EncodingError::Incomplete)),
            ("/%zz", Err(EncodingError::Incomplete)),
            ("/a%00b", Err(EncodingError::Nul)),
        ] {
            assert_eq!(check_encoding(path), expected, "{path}");
        }
    }

    #[test]
    fn a_rest_path_keeps_its_encoding_and_its_inner_slashes() {
        assert_eq!(rest_path("//a//b%2Fc/"), "/a//b%2Fc/");
        assert_eq!(rest_path(""), "/");
        assert_eq!(rest_match("/a//b/"), "a//b");
    }

    #[test]
    fn an_http_path_is_decoded_and_ends_at_a_question_mark() {
        assert_eq!(http_path("/a%2Fb"), "/a/b");
        assert_eq!(http_path("/me%3Fadmin=true"), "/me");
        assert_eq!(http_path("/%E2%82%AC/%ff"), "/€/\u{fffd}");
        assert_eq!(http_path(""), "/");
        assert_eq!(http_match("/pets/"), "pets/");
    }
}
