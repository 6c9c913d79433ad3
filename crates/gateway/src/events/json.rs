//! Writing JSON straight into the bytes that the function will be sent.
//!
//! Lives here: commas, quotes, escapes.
//! Does not live here: what is written (`v1`, `v2`). There is no tree of values between a request and its event.

/// Writes one JSON text. Opening and closing is the caller's to balance.
#[derive(Debug)]
pub(crate) struct Writer {
    out: Vec<u8>,
    /// Whether a comma is due before the next key or element.
    comma: bool,
}

impl Writer {
    /// An empty text with room for so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            comma: false,
        }
    }

    /// The text.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn open_object(&mut self) {
        self.open(b'{');
    }

    pub(crate) fn close_object(&mut self) {
        self.close(b'}');
    }

    pub(crate) fn open_array(&mut self) {
        self.open(b'[');
    }

    pub(crate) fn close_array(&mut self) {
        self.close(b']');
    }

    /// A name of ours, of which nothing has to be escaped.
    pub(crate) fn key(&mut self, name: &'static str) {
        debug_assert!(!name.bytes().any(must_escape), "{name}");
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.comma = false;
    }

    /// A name that is somebody else's.
    pub(crate) fn named(&mut self, name: &str) {
        self.separate();
        self.quote(name);
        self.out.push(b':');
        self.comma = false;
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.separate();
        self.quote(text);
        self.comma = true;
    }

    pub(crate) fn null(&mut self) {
        self.raw(b"null");
    }

    pub(crate) fn integer(&mut self, value: i64) {
        self.raw(value.to_string().as_bytes());
    }

    /// JSON that was made before.
    pub(crate) fn raw(&mut self, json: &[u8]) {
        self.separate();
        self.out.extend_from_slice(json);
        self.comma = true;
    }

    /// Bytes as a base64 string.
    pub(crate) fn base64(&mut self, bytes: &[u8]) {
        use base64::Engine as _;
        self.separate();
        self.out.push(b'"');
        let start = self.out.len();
        let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
        self.out.resize(start + length, 0);
        // The slice is exactly as long as the encoding, so this cannot fail.
        if let Some(room) = self.out.get_mut(start..) {
            let _written = base64::engine::general_purpose::STANDARD.encode_slice(bytes, room);
        }
        self.out.push(b'"');
        self.comma = true;
    }

    pub(crate) fn entry(&mut self, name: &'static str, text: &str) {
        self.key(name);
        self.string(text);
    }

    pub(crate) fn entry_or_null(&mut self, name: &'static str, text: Option<&str>) {
        self.key(name);
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    fn open(&mut self, bracket: u8) {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.comma = true;
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
    }

    fn quote(&mut self, text: &str) {
        self.out.push(b'"');
        let mut rest = text.as_bytes();
        // Looked through as a whole, which takes many bytes at once, and hardly ever finds anything.
        let is_plain = !rest
            .iter()
            .fold(false, |found, byte| found | must_escape(*byte));
        if is_plain {
            self.out.extend_from_slice(rest);
            self.out.push(b'"');
            return;
        }
        while let Some(at) = rest.iter().position(|byte| must_escape(*byte)) {
            let (plain, from_here) = rest.split_at(at);
            self.out.extend_from_slice(plain);
            let Some((byte, behind)) = from_here.split_first() else {
                break;
            };
            self.escape(*byte);
            rest = behind;
        }
        self.out.extend_from_slice(rest);
        self.out.push(b'"');
    }

    fn escape(&mut self, byte: u8) {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            _ => {
                let digit = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
                self.out.extend_from_slice(b"\\u00");
                self.out.push(digit(byte >> 4));
                self.out.push(digit(byte & 0x0f));
                return;
            }
        };
        self.out.extend_from_slice(&[b'\\', short]);
    }
}

fn must_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nested_values_are_separated_by_commas() {
        let mut json = Writer::with_capacity(0);
        json.open_object();
        json.entry("a", "1");
        json.key("b");
        json.open_array();
        json.integer(-1);
        json.raw(b"true");
        json.open_object();
        json.close_object();
        json.null();
        json.close_array();
        json.entry_or_null("c", None);
        json.key("d");
        json.base64(&[0, 255]);
        json.close_object();
        assert_eq!(
            String::from_utf8(json.finish()).unwrap(),
            r#"{"a":"1","b":[-1,true,{},null],"c":null,"d":"AP8="}"#
        );
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in any::<String>()) {
            let mut json = Writer::with_capacity(0);
            json.string(&text);
            let read: String = serde_json::from_slice(&json.finish()).unwrap();
            prop_assert_eq!(read, text);
        }

        #[test]
        fn every_body_reads_back(body in any::<Vec<u8>>()) {
            use base64::Engine as _;
            let mut json = Writer::with_capacity(0);
            json.base64(&body);
            let read: String = serde_json::from_slice(&json.finish()).unwrap();
            prop_assert_eq!(base64::engine::general_purpose::STANDARD.decode(read).unwrap(), body);
        }
    }
}
