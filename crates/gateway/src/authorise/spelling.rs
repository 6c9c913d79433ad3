//! Paths that say the same in another way.
//!
//! Lives here: how a path reads to whoever tidies paths up.
//! Does not live here: asking policies about it (`policies`), routes (`routes`), which take paths as they are sent.
//!
//! A route such as `/files/{proxy+}` takes any path below it, and policies compare letters. Many functions and servers
//! behind it decode and tidy up what they get, so that `/files/x/../secret` would reach what `/files/secret` must not.

/// Encodings within encodings that are looked through.
const DECODINGS_MAX: usize = 3;

/// A path, tidied up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tidied {
    pub(super) path: String,
    /// Whether it had segments that lead upwards, which no honest client sends.
    pub(super) led_upwards: bool,
}

/// The path without encodings, empty segments, `.`, `..` and what follows a `;`; none: it has none of these.
pub(super) fn tidied(path: &str) -> Option<Tidied> {
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
    if !path.contains(['%', '\\', ';']) && path.split('/').all(is_plain) {
        return None;
    }
    let mut decoded = path.to_owned();
    for _ in 0..DECODINGS_MAX {
        let once = percent_encoding::percent_decode_str(&decoded).decode_utf8_lossy();
        if once == decoded {
            break;
        }
        decoded = once.into_owned();
    }
    let mut segments: Vec<&str> = Vec::new();
    let mut led_upwards = false;
    for segment in decoded.split(['/', '\\']) {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                led_upwards = true;
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    let tidied = segments.join("/");
    (tidied != path).then_some(Tidied {
        path: tidied,
        led_upwards,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_whoever_tidies_it_up_reads_it() {
        for (path, expected, led_upwards) in [
            ("files//secret", "files/secret", false),
            ("files/./secret", "files/secret", false),
            ("files/x/../secret", "files/secret", true),
            ("files/%2e%2e/secret", "secret", true),
            ("files/%252e%252e%252fsecret", "secret", true),
            ("files/..\\secret", "secret", true),
            ("files/%73ecret", "files/secret", false),
            ("files/secret;v=1", "files/secret", false),
            ("../../..", "", true),
        ] {
            let tidied = tidied(path).unwrap();
            assert_eq!(
                (tidied.path.as_str(), tidied.led_upwards),
                (expected, led_upwards),
                "{path}"
            );
        }
        for plain in ["", "files/secret", "a", "a/b...c/.well-known"] {
            assert_eq!(tidied(plain), None, "{plain}");
        }
    }
}
