//! Which bodies are binary.
//!
//! Lives here: the rules of both kinds of API, for requests and for replies.
//! Does not live here: encoding and decoding (`json`, `replies`).

/// Whether a media type, as a header gives it, is among a REST API's `binaryMediaTypes`.
///
/// Contract: Amazon API Gateway Developer Guide, "Binary media types for REST APIs": `*` covers many types; of an
/// `Accept` header with several media types only the first is honoured. A header that lacks is covered by `*/*`.
pub(crate) fn is_binary_for_rest(header: Option<&str>, binary_media_types: &[String]) -> bool {
    let media_type = header.map(first_media_type).unwrap_or_default();
    binary_media_types.iter().any(|pattern| {
        let pattern = pattern.trim();
        if pattern == "*/*" {
            return true;
        }
        match pattern.strip_suffix("/*") {
            Some(family) => media_type
                .split_once('/')
                .is_some_and(|(sent, _)| sent.eq_ignore_ascii_case(family)),
            None => media_type.eq_ignore_ascii_case(pattern),
        }
    })
}

/// Whether an HTTP API hands a body of this `Content-Type` on as base64.
///
/// Contract: the guide says "if the content type of the request is binary"; observed at the cloud: text is `text/*`,
/// `application/json`, `application/xml` and `application/javascript`, and all else is binary, forms and bodies
/// without a type included.
pub(crate) fn is_binary_for_http(content_type: Option<&str>) -> bool {
    let media_type = content_type.map(first_media_type).unwrap_or_default();
    let is_text = media_type
        .split_once('/')
        .is_some_and(|(family, _)| family.eq_ignore_ascii_case("text"));
    let known = [
        "application/json",
        "application/xml",
        "application/javascript",
    ];
    !is_text
        && !known
            .iter()
            .any(|known| known.eq_ignore_ascii_case(media_type))
}

fn first_media_type(header: &str) -> &str {
    header.split([',', ';']).next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_apis_compare_the_first_media_type() {
        for (header, types, binary) in [
            (Some("image/png"), &["image/png"][..], true),
            (Some("IMAGE/PNG; q=1"), &["image/png"], true),
            (Some("image/webp,image/png"), &["image/png"], false),
            (Some("image/webp"), &["image/*"], true),
            (Some("text/html"), &["image/*"], false),
            (Some("text/html"), &["*/*"], true),
            (None, &["*/*"], true),
            (None, &["image/png"], false),
            (Some("image/png"), &[], false),
        ] {
            let types: Vec<String> = types.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(
                is_binary_for_rest(header, &types),
                binary,
                "{header:?} {types:?}"
            );
        }
    }

    #[test]
    fn http_apis_know_a_few_text_types() {
        for (content_type, binary) in [
            (Some("text/csv; charset=utf-8"), false),
            (Some("application/json"), false),
            (Some("Application/JSON;charset=utf-8"), false),
            (Some("application/xml"), false),
            (Some("application/javascript"), false),
            (Some("application/x-www-form-urlencoded"), true),
            (Some("application/vnd.api+json"), true),
            (Some("application/octet-stream"), true),
            (None, true),
        ] {
            assert_eq!(is_binary_for_http(content_type), binary, "{content_type:?}");
        }
    }
}
