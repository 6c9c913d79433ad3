//! What the developer is told of a function's error object.
//!
//! Lives here: its type, message and place, in a line or a few.
//! Does not live here: what the client is told (`replies`), making such objects (`runtimes`).

use serde::Deserialize;

use crate::replies::shorten;

/// `errorType` of code that does not parse.
const SYNTAX_ERROR: &str = "Runtime.UserCodeSyntaxError";
/// `errorType` of a process that was killed at its memory's limit.
const OUT_OF_MEMORY: &str = "Runtime.OutOfMemory";
/// Lines that are shown of where it does not parse: the file with the line's number, the line, a mark under it.
const PLACE_LINES_MAX: usize = 3;
/// Characters that are shown of each: paths are long, minified lines endless.
const PLACE_CHARACTERS_MAX: usize = 400;

/// File, line and text of a syntax error, each on a line of its own: its trace begins with them, and without them the
/// message does not help. Empty for any other error.
pub(super) fn place_of_mistake(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(rename = "errorType")]
        kind: String,
        #[serde(alias = "stackTrace")]
        trace: Vec<String>,
    }
    let Ok(error) = serde_json::from_slice::<ErrorObject>(payload) else {
        return String::new();
    };
    if error.kind != SYNTAX_ERROR {
        return String::new();
    }
    error
        .trace
        .iter()
        .flat_map(|entry| entry.lines())
        .skip_while(|line| line.starts_with(SYNTAX_ERROR))
        .take_while(|line| !line.trim().is_empty())
        .take(PLACE_LINES_MAX)
        .flat_map(|line| std::iter::once('\n').chain(line.chars().take(PLACE_CHARACTERS_MAX)))
        .collect()
}

/// Whether an error object is that of a process that was killed for its memory.
pub(super) fn is_out_of_memory(payload: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(rename = "errorType")]
        kind: String,
    }
    serde_json::from_slice(payload).is_ok_and(|error: ErrorObject| error.kind == OUT_OF_MEMORY)
}

/// The cloud's error object in one line: type and message.
pub(super) fn summary(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(rename = "errorType")]
        kind: Option<String>,
        #[serde(rename = "errorMessage")]
        message: Option<String>,
    }
    let error: Option<ErrorObject> = serde_json::from_slice(payload).ok();
    let (kind, message) = error.map_or((None, None), |error| (error.kind, error.message));
    let line = |text: String| shorten(without_request(text.lines().next().unwrap_or_default()));
    match (kind.map(line), message.map(line)) {
        (Some(kind), Some(message)) if !kind.is_empty() => format!("{kind}: {message}"),
        (_, Some(message)) => message,
        (Some(kind), None) => kind,
        (None, None) => "an error that says nothing of itself".to_owned(),
    }
}

/// What the platform says of a request without the request's id: it stands under the request already.
fn without_request(message: &str) -> &str {
    message
        .strip_prefix("RequestId: ")
        .and_then(|rest| rest.split_once(" Error: "))
        .map_or(message, |(_, said)| said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_summed_up_without_its_requests_id() {
        for (payload, expected) in [
            (
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: id-1 Error: Task timed out after 3.00 seconds"}"#,
                "Sandbox.Timedout: Task timed out after 3.00 seconds",
            ),
            (
                r#"{"errorType":"ValueError","errorMessage":"RequestId: of mine\nand more"}"#,
                "ValueError: RequestId: of mine",
            ),
            ("[]", "an error that says nothing of itself"),
        ] {
            assert_eq!(summary(payload.as_bytes()), expected, "{payload}");
        }
    }
}
