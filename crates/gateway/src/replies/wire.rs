//! Reading what a function returned: borrowed from its bytes, without a tree of values.
//!
//! Lives here: scalars, maps and lists of a reply, and what is wrong with them.
//! Does not live here: what each payload format makes of them (`v1`, `v2`).
//!
//! Contract: recorded exchanges: `"201"` is a status, `true` is a header's value. They and the refusals (unknown
//! keys, a single value where a list belongs, objects where text belongs) are those of a JVM reading plain
//! strings, so numbers are taken as their text too.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why a function's reply is none that the gateway can send. The text is for the developer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadReply {
    #[error(
        "the function's reply is not the object that a proxy integration asks for \
         ({{\"statusCode\": 200, \"headers\": {{}}, \"body\": \"text\"}}): {reason}"
    )]
    Shape { reason: String },
    #[error(
        "`statusCode` of the function's reply is `{shown}`; it must be a number from 200 to 599"
    )]
    Status { shown: String },
    #[error(
        "`body` of the function's reply is {shown}; it must be a string: use `JSON.stringify` or `json.dumps`"
    )]
    Body { shown: &'static str },
    #[error("`{key}` of the function's reply is {shown}; it must be {expected}")]
    Key {
        key: &'static str,
        shown: &'static str,
        expected: &'static str,
    },
    #[error(
        "`{key}` of the function's reply has over {entries_max} entries; send fewer, or put them into the body"
    )]
    TooMany {
        key: &'static str,
        entries_max: usize,
    },
    #[error("the header `{name}` of the function's reply is {shown}; its value must be text")]
    HeaderShape { name: String, shown: &'static str },
    #[error("the header name `{name}` of the function's reply is not a token")]
    HeaderName { name: String },
    #[error(
        "the header `{name}` of the function's reply holds a line break or another control character"
    )]
    HeaderValue { name: String },
    #[error(
        "the first {bytes_max} bytes of the function's stream have no head that ends in eight zero bytes; \
         `awslambda.HttpResponseStream.from` writes one before the first `write`"
    )]
    NoStreamHead { bytes_max: usize },
    #[error(
        "the function's stream ended before its head had; \
         `awslambda.HttpResponseStream.from` writes it with the first `write`: write something, if only an empty text"
    )]
    StreamEnded,
    #[error(
        "the route streams, and the function does not; wrap its handler in `awslambda.streamifyResponse`, or leave \
         `ResponseTransferMode: STREAM` out"
    )]
    NotStreamed,
    #[error("`isBase64Encoded` of the function's reply is true, but its body is not base64")]
    Base64,
}

/// The longest part of a user's text that an error repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// Entries of one map or list of a reply. Ours: no client takes so many headers, and each is compared with the others.
const ENTRIES_MAX: usize = 1_000;

/// An object's entries in order, values untouched.
#[derive(Debug, Default)]
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

/// A list's elements, untouched.
#[derive(Debug, Default)]
pub(super) struct Elements<'a>(pub(super) Vec<&'a RawValue>);

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

/// Text, a number or a boolean as its text; none for null.
///
/// # Errors
/// What it is instead.
pub(super) fn scalar(raw: &RawValue) -> Result<Option<Cow<'_, str>>, &'static str> {
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let text: Text<'_> = serde_json::from_str(raw.get()).map_err(|_| "broken text")?;
            Ok(Some(text.0))
        }
        Some(b'{') => Err("an object"),
        Some(b'[') => Err("a list"),
        Some(b'n') | None => Ok(None),
        Some(_) => Ok(Some(Cow::Borrowed(raw.get()))),
    }
}

/// `statusCode`: a number, also as text, that can end a request.
pub(super) fn status(raw: Option<&RawValue>) -> Result<Option<StatusCode>, BadReply> {
    let Some(raw) = raw else { return Ok(None) };
    let bad = || BadReply::Status {
        shown: shorten(raw.get()),
    };
    let Some(text) = scalar(raw).map_err(|_| bad())? else {
        return Ok(None);
    };
    let text = text.trim();
    // A float without a fraction is what languages make that know one sort of number.
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let number: u16 = whole.parse().map_err(|_| bad())?;
    // 1xx would leave the client waiting for the real response.
    if !(200..=599).contains(&number) {
        return Err(bad());
    }
    StatusCode::from_u16(number).map(Some).map_err(|_| bad())
}

/// `isBase64Encoded`.
pub(super) fn flag(key: &'static str, raw: Option<&RawValue>) -> Result<bool, BadReply> {
    let Some(raw) = raw else { return Ok(false) };
    let bad = |shown| BadReply::Key {
        key,
        shown,
        expected: "true or false",
    };
    match scalar(raw).map_err(bad)?.as_deref() {
        Some("true" | "True" | "TRUE") => Ok(true),
        None | Some("" | "false" | "False" | "FALSE") => Ok(false),
        Some(_) => Err(bad("neither")),
    }
}

/// `body`: text, or a scalar's.
pub(super) fn body(raw: Option<&RawValue>) -> Result<Cow<'_, str>, BadReply> {
    let Some(raw) = raw else {
        return Ok(Cow::Borrowed(""));
    };
    scalar(raw)
        .map(Option::unwrap_or_default)
        .map_err(|shown| BadReply::Body { shown })
}

/// A map, such as `headers`.
pub(super) fn entries<'a>(
    key: &'static str,
    raw: Option<&'a RawValue>,
) -> Result<Entries<'a>, BadReply> {
    let Some(raw) = raw else {
        return Ok(Entries::default());
    };
    let entries: Entries<'_> = serde_json::from_str(raw.get()).map_err(|_| BadReply::Key {
        key,
        shown: sort_of(raw),
        expected: "an object",
    })?;
    check_number(key, entries.0.len())?;
    Ok(entries)
}

/// A list, such as `cookies`.
pub(super) fn elements<'a>(
    key: &'static str,
    raw: Option<&'a RawValue>,
) -> Result<Elements<'a>, BadReply> {
    let Some(raw) = raw else {
        return Ok(Elements::default());
    };
    let elements: Elements<'_> = serde_json::from_str(raw.get()).map_err(|_| BadReply::Key {
        key,
        shown: sort_of(raw),
        expected: "a list",
    })?;
    check_number(key, elements.0.len())?;
    Ok(elements)
}

/// A user's text, short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn check_number(key: &'static str, entries: usize) -> Result<(), BadReply> {
    if ENTRIES_MAX < entries {
        return Err(BadReply::TooMany {
            key,
            entries_max: ENTRIES_MAX,
        });
    }
    Ok(())
}

pub(super) fn sort_of(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(_) | None => "a number",
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    entries.push((name.0, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementsVisitor;
        impl<'de> Visitor<'de> for ElementsVisitor {
            type Value = Elements<'de>;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = list.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(ElementsVisitor)
    }
}
