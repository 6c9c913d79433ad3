//! Forms that browsers upload files by.
//!
//! Lives here: reading `multipart/form-data` as it arrives: fields, then the file.
//! Does not live here: what the fields mean (`post`).
//!
//! Contract: RFC 7578; Amazon S3 API Reference, "Browser-based uploads using POST".

use bytes::{Bytes, BytesMut};
use interfaces::BoxFuture;

use crate::engine::fault::{self, Fault};
use crate::engine::receiving::Source;

/// Bytes of all fields before the file: "POST Object", 20 KB.
const FIELDS_BYTES_MAX: usize = 20 * 1024;
/// Bytes of the head of a field.
const HEAD_BYTES_MAX: usize = 4 * 1024;
/// Fields of a form.
const FIELDS_MAX: usize = 100;

/// The fields of a form before its file: names in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) fields: Vec<(String, String)>,
    /// The name of the file, as the browser gives it.
    pub(crate) file_name: String,
    pub(crate) file_type: Option<String>,
}

/// The file in a form, as it arrives.
pub(crate) struct File<'a> {
    source: &'a mut dyn Source,
    input: BytesMut,
    delimiter: Vec<u8>,
    is_done: bool,
}

fn malformed() -> Fault {
    fault::MALFORMED_POST.into()
}

/// The boundary that a content type names.
pub(crate) fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        let value = value.trim_matches('"');
        (name.eq_ignore_ascii_case("boundary") && !value.is_empty() && value.len() <= 200)
            .then(|| value.to_owned())
    })
}

/// Reads all fields up to the file.
pub(crate) async fn read<'a>(
    source: &'a mut dyn Source,
    boundary: &str,
) -> Result<(Fields, File<'a>), Fault> {
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut fields = Fields::default();
    // The first delimiter may begin the body.
    let mut input = BytesMut::from(&b"\r\n"[..]);
    let mut bytes = 0_usize;
    take_until(source, &mut input, &delimiter, HEAD_BYTES_MAX).await?;
    loop {
        let line = take_until(source, &mut input, b"\r\n", HEAD_BYTES_MAX).await?;
        if line.starts_with(b"--") {
            return Err(Fault::saying(
                fault::INVALID_ARGUMENT,
                "POST requires exactly one file upload per request.",
            )
            .with("ArgumentName", "file")
            .with("ArgumentValue", "0"));
        }
        // A head ends with an empty line; a line end before it stands in for that of an empty head.
        let mut head = BytesMut::from(&b"\r\n"[..]);
        head.extend_from_slice(&input);
        input = head;
        let head = take_until(source, &mut input, b"\r\n\r\n", HEAD_BYTES_MAX).await?;
        let head = String::from_utf8(head.to_vec()).map_err(|_| malformed())?;
        let (name, file_name, kind) = read_head(&head)?;
        if name.eq_ignore_ascii_case("file") {
            fields.file_name = file_name.unwrap_or_default();
            fields.file_type = kind;
            let file = File {
                source,
                input,
                delimiter,
                is_done: false,
            };
            return Ok((fields, file));
        }
        let value = take_until(source, &mut input, &delimiter, FIELDS_BYTES_MAX).await?;
        bytes += name.len() + value.len();
        if FIELDS_BYTES_MAX < bytes || FIELDS_MAX <= fields.fields.len() {
            return Err(Fault::saying(
                fault::MAX_POST_FIELDS,
                "Your POST request fields preceding the upload file were too large.",
            ));
        }
        let value = String::from_utf8(value.to_vec()).map_err(|_| malformed())?;
        fields.fields.push((name.to_ascii_lowercase(), value));
    }
}

/// Name, name of the file and content type of a field.
fn read_head(head: &str) -> Result<(String, Option<String>, Option<String>), Fault> {
    let (mut name, mut file_name, mut kind) = (None, None, None);
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (header, value) = line.split_once(':').ok_or_else(malformed)?;
        if header.eq_ignore_ascii_case("content-disposition") {
            name = parameter(value, "name");
            file_name = parameter(value, "filename");
        } else if header.eq_ignore_ascii_case("content-type") {
            kind = Some(value.trim().to_owned());
        }
    }
    Ok((name.ok_or_else(malformed)?, file_name, kind))
}

fn parameter(value: &str, wanted: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        (name.eq_ignore_ascii_case(wanted)).then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Takes what stands before a text, and the text.
async fn take_until(
    source: &mut dyn Source,
    input: &mut BytesMut,
    text: &[u8],
    bytes_max: usize,
) -> Result<Bytes, Fault> {
    loop {
        if let Some(at) = find(input, text) {
            let before = input.split_to(at).freeze();
            let _ = input.split_to(text.len());
            return Ok(before);
        }
        if bytes_max + text.len() < input.len() {
            return Err(malformed());
        }
        match source.next().await? {
            Some(piece) => input.extend_from_slice(&piece),
            None => return Err(malformed()),
        }
    }
}

fn find(input: &[u8], text: &[u8]) -> Option<usize> {
    input.windows(text.len()).position(|window| window == text)
}

impl File<'_> {
    async fn piece(&mut self) -> Result<Option<Bytes>, Fault> {
        while !self.is_done {
            if let Some(at) = find(&self.input, &self.delimiter) {
                self.is_done = true;
                let last = self.input.split_to(at).freeze();
                // What follows the file means nothing, but must arrive.
                while self.source.next().await?.is_some() {}
                return Ok((!last.is_empty()).then_some(last));
            }
            let kept = self.delimiter.len() - 1;
            if kept < self.input.len() {
                let ready = self.input.len() - kept;
                return Ok(Some(self.input.split_to(ready).freeze()));
            }
            match self.source.next().await? {
                Some(piece) => self.input.extend_from_slice(&piece),
                None => return Err(malformed()),
            }
        }
        Ok(None)
    }
}

impl Source for File<'_> {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Fault>> {
        Box::pin(self.piece())
    }
}

/// Pieces that are all there.
struct Given(Vec<Bytes>);

impl Source for Given {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, Fault>> {
        let piece = if self.0.is_empty() {
            None
        } else {
            Some(self.0.remove(0))
        };
        Box::pin(std::future::ready(Ok(piece)))
    }
}

/// Reads whatever bytes as a form: for fuzzing. Never panics; how many bytes its file has.
pub(crate) fn read_hostile(boundary: &str, bytes: &[u8]) -> usize {
    let pieces = bytes.chunks(17).map(Bytes::copy_from_slice).collect();
    let mut source = Given(pieces);
    let reading = async {
        let (_, mut file) = read(&mut source, boundary).await?;
        let mut total = 0;
        while let Some(piece) = file.next().await? {
            total += piece.len();
        }
        Ok::<_, Fault>(total)
    };
    // Nothing in it waits: its source is all there.
    let mut reading = std::pin::pin!(reading);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match reading.as_mut().poll(&mut context) {
        std::task::Poll::Ready(Ok(total)) => total,
        std::task::Poll::Ready(Err(_)) | std::task::Poll::Pending => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_form_is_read_whatever_the_pieces() {
        let form = b"--B\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nbytes\r\n--C\r\n--B--\r\n";
        assert_eq!(read_hostile("B", form), b"bytes\r\n--C".len());
        assert_eq!(read_hostile("X", form), 0);
        assert_eq!(
            boundary("multipart/form-data; boundary=B").as_deref(),
            Some("B")
        );
    }
}
