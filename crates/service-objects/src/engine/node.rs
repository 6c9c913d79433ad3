//! Documents of settings: read, kept and written back.
//!
//! Lives here: XML as a tree, with limits.
//! Does not live here: what a document may say (`configuration`).

use aws_wire::xml::Xml;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde::{Deserialize, Serialize};

/// The largest document, in bytes: a list of 10,000 parts, each with a checksum.
pub(crate) const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deep elements may lie in one another.
const DEPTH_MAX: usize = 16;
/// Elements of a document.
const NODES_MAX: usize = 100_000;
/// The name space of S3's documents.
pub(crate) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An element: a text, or more elements.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Node {
    #[serde(rename = "n")]
    pub(crate) name: String,
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) children: Vec<Node>,
    /// `xsi:type`.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

/// The document cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document is no XML, or too large")]
pub(crate) struct Unreadable;

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn of_text(name: &str, text: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            text: text.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Reads a document; prefixes of names are left out.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        if DOCUMENT_BYTES_MAX < bytes.len() {
            return Err(Unreadable);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        let mut root = None;
        let mut count = 0_usize;
        loop {
            match reader.read_event().map_err(|_| Unreadable)? {
                Event::Start(element) => {
                    count += 1;
                    if DEPTH_MAX <= open.len() || NODES_MAX < count || root.is_some() {
                        return Err(Unreadable);
                    }
                    open.push(begun(&element)?);
                }
                Event::Empty(element) => {
                    count += 1;
                    if NODES_MAX < count {
                        return Err(Unreadable);
                    }
                    close(begun(&element)?, &mut open, &mut root)?;
                }
                Event::End(_) => {
                    let node = open.pop().ok_or(Unreadable)?;
                    close(node, &mut open, &mut root)?;
                }
                Event::Text(text) => {
                    if let Some(node) = open.last_mut() {
                        node.text.push_str(&text);
                    }
                }
                Event::CData(text) => {
                    if let Some(node) = open.last_mut() {
                        node.text.push_str(&text);
                    }
                }
                Event::GeneralRef(reference) => {
                    let node = open.last_mut().ok_or(Unreadable)?;
                    node.text.push(referred(&reference)?);
                }
                Event::DocType(_) => return Err(Unreadable),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        if open.is_empty() { root } else { None }.ok_or(Unreadable)
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of a child.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// Writes it, as a document of its own.
    pub(crate) fn document(&self) -> Vec<u8> {
        let mut xml = Xml::document_utf8();
        xml.open_with(&self.name, &[("xmlns", NAMESPACE)]);
        self.write_inside(&mut xml);
        xml.close(&self.name);
        xml.finish()
    }

    pub(crate) fn write(&self, xml: &mut Xml) {
        match &self.kind {
            Some(kind) => xml.open_with(
                &self.name,
                &[
                    ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance"),
                    ("xsi:type", kind),
                ],
            ),
            None => xml.open_with(&self.name, &[]),
        }
        self.write_inside(xml);
        xml.close(&self.name);
    }

    fn write_inside(&self, xml: &mut Xml) {
        if self.children.is_empty() {
            xml.characters(&self.text);
        }
        for child in &self.children {
            child.write(xml);
        }
    }
}

fn begun(element: &quick_xml::events::BytesStart<'_>) -> Result<Node, Unreadable> {
    let name = element.local_name();
    let mut node = Node::new(name.as_ref());
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| Unreadable)?;
        if attribute.key.local_name().as_ref() == "type" {
            node.kind = Some(attribute.value.into_owned());
        }
    }
    Ok(node)
}

fn close(mut node: Node, open: &mut [Node], root: &mut Option<Node>) -> Result<(), Unreadable> {
    // Blanks between elements mean nothing.
    if !node.children.is_empty() {
        node.text.clear();
    }
    match open.last_mut() {
        Some(above) => above.children.push(node),
        None if root.is_none() => *root = Some(node),
        None => return Err(Unreadable),
    }
    Ok(())
}

fn referred(reference: &quick_xml::events::BytesRef<'_>) -> Result<char, Unreadable> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| Unreadable)? {
        return Ok(character);
    }
    let name: &str = reference;
    match name {
        "amp" => Ok('&'),
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "quot" => Ok('"'),
        "apos" => Ok('\''),
        _ => Err(Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_and_written_back() {
        let text = br#"<?xml version="1.0"?><a:A xmlns:a="x">
            <B>1 &lt; 2 &#38; 3</B><C/><D xsi:type="Group"><E>x</E></D></a:A>"#;
        let node = Node::read(text).unwrap();
        assert_eq!(node.text_of("B"), Some("1 < 2 & 3"));
        assert_eq!(node.child("D").unwrap().kind.as_deref(), Some("Group"));
        let again = Node::read(&node.document()).unwrap();
        assert_eq!(again, node);
    }

    #[test]
    fn what_is_no_document_or_too_deep_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        for text in ["", "<a>", "<a></b>", "<a/><b/>", "<!DOCTYPE a><a/>", &deep] {
            assert!(Node::read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
