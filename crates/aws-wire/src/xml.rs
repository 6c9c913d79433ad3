//! Writing XML.
//!
//! Lives here: elements, texts, escapes.
//! Does not live here: what stands in a document (each service), reading XML.

/// A document that is being written.
#[derive(Debug, Clone, Default)]
pub struct Xml {
    text: String,
}

impl Xml {
    /// A document with its declaration, as the query protocol sends it.
    #[must_use]
    pub fn document() -> Self {
        Self {
            text: "<?xml version=\"1.0\"?>\n".to_owned(),
        }
    }

    /// A document with the declaration that Amazon S3 sends.
    #[must_use]
    pub fn document_utf8() -> Self {
        Self {
            text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned(),
        }
    }

    /// Opens an element with attributes.
    pub fn open_with(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            self.push_escaped(value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    /// Closes an element.
    pub fn close(&mut self, name: &str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
    }

    /// An element with whatever `write` writes inside.
    pub fn element(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.open_with(name, &[]);
        write(self);
        self.close(name);
    }

    /// An element that holds a text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.element(name, |xml| xml.push_escaped(text));
    }

    /// The same, if there is a text.
    pub fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// An element without anything inside.
    pub fn empty(&mut self, name: &str) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str("/>");
    }

    /// A text, inside the element that is open.
    pub fn characters(&mut self, text: &str) {
        self.push_escaped(text);
    }

    /// The document's bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    fn push_escaped(&mut self, text: &str) {
        escape_into(&mut self.text, text);
    }
}

/// Adds a text with the characters escaped that mean something in XML.
pub(crate) fn escape_into(escaped: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // A reader takes it for a line feed, or nothing, unless it is a reference.
            '\r' => escaped.push_str("&#13;"),
            // XML 1.0 can hold no other control characters, not even as references.
            '\t' | '\n' | ' '.. => escaped.push(character),
            '\0'..='\u{1f}' => escaped.push('\u{fffd}'),
        }
    }
}
