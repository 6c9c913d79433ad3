//! The AWS query protocol: forms in, XML out.
//!
//! Lives here: reading a form's nested names, the frame of an answer and of an error.
//! Does not live here: the shapes of operations (each service), writing XML (`xml`).
//!
//! Contract: Smithy, "AWS query protocol": lists as `Name.member.1` or, flattened, `Name.1`; maps as
//! `Name.entry.1.key` and `.value`, or other names; structures as `Name.Member`.

use std::collections::BTreeMap;

use http::StatusCode;

use crate::protocol::{ErrorAnswer, Protocol};
use crate::xml::Xml;

/// Parameters of one request. More are not read.
pub const PARAMETERS_MAX: usize = 10_000;
/// Parts of one nested name.
const PARTS_MAX: usize = 32;

/// The parameters of a request: what stands below a name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    value: Option<String>,
    members: BTreeMap<String, Form>,
}

impl Form {
    /// Reads `a=b&c.d.1=e`, as a body or a query string. Never fails: what is no pair is a name with an empty value.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut form = Self::default();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        for pair in pairs.take(PARAMETERS_MAX) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            form.set(&decoded(name), decoded(value));
        }
        form
    }

    fn set(&mut self, name: &str, value: String) {
        let mut place = self;
        for part in name.splitn(PARTS_MAX, '.') {
            place = place.members.entry(part.to_owned()).or_default();
        }
        place.value = Some(value);
    }

    /// The value of this name itself.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// The value of a name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name)?.value()
    }

    /// What stands below a name.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.members.get(name)
    }

    /// All names at this place.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// The items of a list in their order, be it flattened (`Name.1`) or not (`Name.member.1`).
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<&Self> {
        let Some(list) = self.members.get(name) else {
            return Vec::new();
        };
        let items = list.members.get("member").unwrap_or(list);
        let mut numbered: Vec<(u64, &Self)> = items
            .members
            .iter()
            .filter_map(|(number, item)| Some((number.parse().ok()?, item)))
            .collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, item)| item).collect()
    }

    /// The texts of a list.
    #[must_use]
    pub fn texts(&self, name: &str) -> Vec<String> {
        let items = self.list(name).into_iter();
        items
            .filter_map(|item| item.value().map(str::to_owned))
            .collect()
    }

    /// The pairs of a map in their order: `Name.entry.1.key` and `Name.entry.1.value`, or flattened without `entry`, by the
    /// names that this map uses for the two.
    #[must_use]
    pub fn map(&self, name: &str, key: &str, value: &str) -> Vec<(String, String)> {
        let entries = match self.members.get(name) {
            Some(map) if map.members.contains_key("entry") => map.list("entry"),
            Some(_) => self.list(name),
            None => Vec::new(),
        };
        let pair = |entry: &Self| {
            let text = entry.text(value).unwrap_or_default();
            Some((entry.text(key)?.to_owned(), text.to_owned()))
        };
        entries.into_iter().filter_map(pair).collect()
    }
}

/// The value that [`Form::parse`] gives a name without dots, of these texts with `&` between them, without reading all of it.
/// Whoever asks what a request is about before it is carried out must see what is carried out: of two values the last holds.
#[must_use]
pub fn skim(texts: &[&str], name: &str) -> Option<String> {
    let pairs = texts.iter().flat_map(|text| text.split('&'));
    let pairs = pairs.filter(|pair| !pair.is_empty()).take(PARAMETERS_MAX);
    let values = pairs.filter_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        let is_encoded = found.contains(['%', '+']);
        let is_it = found == name || is_encoded && decoded(found) == name;
        is_it.then_some(value)
    });
    values.last().map(decoded)
}

fn decoded(text: &str) -> String {
    let spaced = text.replace('+', " ");
    let bytes = percent_encoding::percent_decode_str(&spaced);
    bytes.decode_utf8_lossy().into_owned()
}

/// The answer of an operation: `<OperationResponse><OperationResult>…</OperationResult><ResponseMetadata>…`.
/// `write` writes what stands in the result; an operation without one leaves it out.
#[must_use]
pub fn answer(
    operation: &str,
    namespace: &str,
    request_id: &str,
    write: Option<impl FnOnce(&mut Xml)>,
) -> Vec<u8> {
    let mut xml = Xml::document();
    xml.open_with(&format!("{operation}Response"), &[("xmlns", namespace)]);
    if let Some(write) = write {
        xml.element(&format!("{operation}Result"), write);
    }
    xml.element("ResponseMetadata", |xml| xml.text("RequestId", request_id));
    xml.close(&format!("{operation}Response"));
    xml.finish()
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The sender's.
    Sender,
    /// The service's.
    Receiver,
}

/// What services frame their errors with.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The service's; services that send none leave it empty.
    pub namespace: &'a str,
    /// An empty `Detail` follows the message: SQS sends one, CloudWatch does not.
    pub has_detail: bool,
}

/// An error of an operation. One without a message has no element for it.
#[must_use]
pub fn error(
    (status, fault): (StatusCode, Fault),
    (code, message): (&str, &str),
    frame: Frame<'_>,
    request_id: &str,
) -> ErrorAnswer {
    let namespace = frame.namespace;
    let mut xml = Xml::document();
    let attributes = [("xmlns", namespace)];
    let attributes: &[(&str, &str)] = if namespace.is_empty() {
        &[]
    } else {
        &attributes
    };
    xml.open_with("ErrorResponse", attributes);
    xml.element("Error", |xml| {
        let kind = match fault {
            Fault::Sender => "Sender",
            Fault::Receiver => "Receiver",
        };
        xml.text("Type", kind);
        xml.text("Code", code);
        if !message.is_empty() {
            xml.text("Message", message);
        }
        if frame.has_detail {
            xml.empty("Detail");
        }
    });
    xml.text("RequestId", request_id);
    xml.close("ErrorResponse");
    ErrorAnswer {
        status,
        headers: vec![("content-type", Protocol::Query.content_type().to_owned())],
        body: xml.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_nest_as_lists_maps_and_structures() {
        let form = Form::parse(
            "Action=A&Names.member.2=b&Names.member.1=a&Flat.1.Id=x&Flat.10.Id=z&Flat.2.Id=y\
             &Map.entry.1.key=k&Map.entry.1.value=v%20+w&Attribute.1.Name=n&Attribute.1.Value=m",
        );
        assert_eq!(form.text("Action"), Some("A"));
        assert_eq!(form.texts("Names"), ["a", "b"]);
        let ids: Vec<_> = form
            .list("Flat")
            .into_iter()
            .filter_map(|item| item.text("Id"))
            .collect();
        assert_eq!(ids, ["x", "y", "z"]);
        let pair = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
        assert_eq!(form.map("Map", "key", "value"), pair("k", "v  w"));
        assert_eq!(form.map("Attribute", "Name", "Value"), pair("n", "m"));
        assert!(form.list("Missing").is_empty());
    }

    #[test]
    fn skimming_sees_what_reading_all_sees() {
        for (query, body) in [
            ("", "QueueUrl=a&QueueUrl=b"),
            ("QueueUrl=a", "x=y&QueueUrl=b"),
            ("Queue%55rl=a&QueueUr", ""),
            ("QueueUrl=a", "Queue%55rl=b+c"),
            ("QueueUrl", "QueueUrl.x=1"),
            ("QueueUrl=%zz=1&&", "+QueueUrl=b"),
            ("", ""),
        ] {
            let whole = Form::parse(&format!("{query}&{body}"));
            assert_eq!(
                skim(&[query, body], "QueueUrl").as_deref(),
                whole.text("QueueUrl"),
                "{query} {body}"
            );
        }
        let long = format!("{}QueueUrl=b", "a=b&".repeat(PARAMETERS_MAX - 1));
        assert_eq!(skim(&[&long], "QueueUrl").as_deref(), Some("b"));
        assert_eq!(
            skim(&["QueueUrl=a", &long], "QueueUrl").as_deref(),
            Some("a")
        );
    }

    #[test]
    fn whatever_is_sent_is_read() {
        for text in ["", "&&", "=", "a", "a.=b", "..=.", "%zz=%", "a=1&a.b=2"] {
            let _ = Form::parse(text);
        }
        let nested = format!("{}=x", "a.".repeat(100_000));
        let _ = Form::parse(&nested);
    }

    #[test]
    fn answers_and_errors_have_the_protocols_frame() {
        let body = answer(
            "ListTopics",
            "http://x/",
            "id",
            Some(|xml: &mut Xml| xml.text("A", "<")),
        );
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "<?xml version=\"1.0\"?>\n<ListTopicsResponse xmlns=\"http://x/\"><ListTopicsResult><A>&lt;</A></ListTopicsResult>\
             <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></ListTopicsResponse>"
        );
        for (message, has_detail, shown) in [
            ("no", true, "<Message>no</Message><Detail/>"),
            ("no", false, "<Message>no</Message>"),
            ("", false, ""),
        ] {
            let frame = Frame {
                namespace: "",
                has_detail,
            };
            let whose = (StatusCode::NOT_FOUND, Fault::Sender);
            let refused = error(whose, ("NotFound", message), frame, "id");
            assert_eq!(
                String::from_utf8(refused.body).unwrap(),
                format!(
                    "<?xml version=\"1.0\"?>\n<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code>{shown}\
                     </Error><RequestId>id</RequestId></ErrorResponse>"
                )
            );
        }
    }
}
