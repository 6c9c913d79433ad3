//! The strict reader of HTTP/1 request heads.
//!
//! Lives here: finding the end of a head in whatever pieces it arrives, and reading it. Whatever two readers could
//! take in two ways is refused: that is the defence against request smuggling.
//! Does not live here: the body's framing (`framing`), sockets and time (`http1`).
//!
//! Contract: RFC 9112, sections 2.2, 3, 5 and 6; RFC 9110, sections 5.5, 5.6.2, 7.2 and 10.1.1.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode, Version};

use super::framing::BodyLength;
use super::{Headers, ServerLimits};

/// The one expectation that there is.
const CONTINUE: &[u8] = b"100-continue";

/// One request head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) version: Version,
    pub(super) headers: Headers,
    pub(super) body_length: BodyLength,
    pub(super) persistence: Persistence,
    pub(super) expectation: Expectation,
}

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Path and query, with a `/` in front.
    Path(String),
    /// `OPTIONS *`: the server as a whole.
    Server,
}

/// Whether the client wants to use the connection again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Persistence {
    Close,
    KeepAlive,
}

/// Whether the client waits before it sends its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    None,
    Continue,
}

/// Why a request is not served. The connection closes behind the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a line does not end in CR LF")]
    BareLineFeed,
    #[error("the request line is not `METHOD target HTTP/1.1`")]
    RequestLine,
    #[error(
        "the request target is neither a path nor an http URL, or holds characters that must be percent-encoded"
    )]
    Target,
    #[error("this HTTP version is not served")]
    Version,
    #[error("CONNECT is not served")]
    Connect,
    #[error("the request line is too long")]
    TargetTooLong,
    #[error("the request's headers are too large")]
    HeadTooLarge,
    #[error("there are too many headers")]
    TooManyHeaders,
    #[error("a header continues on a second line")]
    FoldedHeader,
    #[error(
        "a header's name is empty, missing its colon, or holds characters that a name must not hold"
    )]
    HeaderName,
    #[error("a header's value holds control characters")]
    HeaderValue,
    #[error("there is not exactly one valid Host header")]
    Host,
    #[error("Content-Length is not one plain number")]
    ContentLength,
    #[error("Transfer-Encoding is not `chunked` alone")]
    TransferEncoding,
    #[error("Content-Length and Transfer-Encoding exclude one another")]
    LengthAndEncoding,
    #[error("this expectation cannot be met")]
    Expectation,
    #[error("a chunk of the body is not framed as chunks are")]
    Chunk,
    #[error("the request did not arrive in time")]
    TooSlow,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BareLineFeed
            | Self::RequestLine
            | Self::Target
            | Self::FoldedHeader
            | Self::HeaderName
            | Self::HeaderValue
            | Self::Host
            | Self::ContentLength
            | Self::TransferEncoding
            | Self::LengthAndEncoding
            | Self::Chunk => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::HeadTooLarge | Self::TooManyHeaders => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Connect => StatusCode::NOT_IMPLEMENTED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }
}

/// What a `Host` header may be.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum HostForm {
    /// A host, with or without a port: RFC 9112, 3.2.
    #[default]
    Authority,
    /// The same, with `http://` or `https://` before it. The cloud's services take that, as recorded answers show, and it is signed
    /// as it was sent.
    Address,
}

/// Looks for the end of a head in a buffer that grows, looking at each byte once.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// Where the line begins that is not complete yet.
    line_at: usize,
    /// Up to where that line was searched.
    searched_to: usize,
    /// One empty line before a request is forgiven (RFC 9112, 2.2).
    empty_line_skipped: Option<()>,
    hosts: HostForm,
}

impl HeadReader {
    /// One that takes hosts of this form.
    pub(super) fn taking(hosts: HostForm) -> Self {
        Self {
            hosts,
            ..Self::default()
        }
    }

    /// Takes one head off the front of the buffer; none: its end is not there yet.
    pub(super) fn read(
        &mut self,
        buffer: &mut BytesMut,
        limits: &ServerLimits,
    ) -> Result<Option<Head>, Refusal> {
        let head = self.read_lines(buffer, limits)?;
        head.map(|head| read_head(&head, limits, self.hosts))
            .transpose()
    }

    /// The same, without reading what its lines say. All end in CR LF, and the last is empty.
    pub(super) fn read_lines(
        &mut self,
        buffer: &mut BytesMut,
        limits: &ServerLimits,
    ) -> Result<Option<Bytes>, Refusal> {
        while let Some(offset) = buffer
            .get(self.searched_to..)
            .and_then(|unsearched| memchr::memchr(b'\n', unsearched))
        {
            let line_end = self.searched_to + offset;
            if limits.head_bytes_max <= line_end {
                return Err(self.too_large());
            }
            let line = buffer.get(self.line_at..line_end).unwrap_or_default();
            let Some((b'\r', line)) = line.split_last() else {
                return Err(Refusal::BareLineFeed);
            };
            let is_empty = line.is_empty();
            let starts_head = self.line_at == 0;
            self.line_at = line_end + 1;
            self.searched_to = self.line_at;
            if is_empty && starts_head {
                if self.empty_line_skipped.replace(()).is_some() {
                    return Err(Refusal::RequestLine);
                }
                buffer.advance(self.line_at);
                (self.line_at, self.searched_to) = (0, 0);
            } else if is_empty {
                return Ok(Some(self.take(buffer)));
            }
        }
        self.searched_to = buffer.len();
        if limits.head_bytes_max < buffer.len() {
            return Err(self.too_large());
        }
        Ok(None)
    }

    /// Whether some of the next head has arrived.
    pub(super) fn has_begun(&self, buffer: &BytesMut) -> bool {
        !buffer.is_empty() || self.empty_line_skipped.is_some()
    }

    fn take(&mut self, buffer: &mut BytesMut) -> Bytes {
        let head_end = self.line_at;
        *self = Self::taking(self.hosts);
        buffer.split_to(head_end).freeze()
    }

    fn too_large(&self) -> Refusal {
        if self.line_at == 0 {
            Refusal::TargetTooLong
        } else {
            Refusal::HeadTooLarge
        }
    }
}

/// Reads a complete head, whose lines all end in CR LF and whose last line is empty.
fn read_head(head: &Bytes, limits: &ServerLimits, hosts: HostForm) -> Result<Head, Refusal> {
    let line_end = memchr::memchr(b'\n', head).ok_or(Refusal::RequestLine)?;
    let line = head.get(..line_end.saturating_sub(1)).unwrap_or_default();
    let (method, target, version) = read_request_line(line)?;
    let mut headers = read_headers(head, line_end + 1, limits)?;
    let (target, authority) = read_target(&method, target)?;
    if let Some(authority) = authority {
        // RFC 9112, 3.2.2: the target's authority replaces whatever Host says, which must be there all the same.
        check_host(&headers, version, hosts)?;
        headers.replace("Host", authority);
    }
    check_host(&headers, version, hosts)?;
    Ok(Head {
        body_length: body_length(&headers, version)?,
        persistence: persistence(&headers, version),
        expectation: expectation(&headers, version)?,
        method,
        target,
        version,
        headers,
    })
}

fn read_request_line(line: &[u8]) -> Result<(Method, &str, Version), Refusal> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut part = || parts.next().ok_or(Refusal::RequestLine);
    let (method, target, version) = (part()?, part()?, part()?);
    let method = Method::from_bytes(method).map_err(|_| Refusal::RequestLine)?;
    let version = match version {
        b"HTTP/1.1" => Version::HTTP_11,
        b"HTTP/1.0" => Version::HTTP_10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Refusal::Version);
        }
        _ => return Err(Refusal::RequestLine),
    };
    if method == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    if !is_target_text(target) {
        return Err(Refusal::Target);
    }
    let target = std::str::from_utf8(target).map_err(|_| Refusal::Target)?;
    Ok((method, target, version))
}

/// Visible ASCII without `#`. Brackets, braces and the like belong in percent-encodings, but clients send them
/// bare, the cloud takes them, and they frame nothing.
pub(super) fn is_target_text(target: &[u8]) -> bool {
    !target.is_empty()
        && target
            .iter()
            .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
}

/// The target, and the authority if it brings one.
fn read_target(method: &Method, sent: &str) -> Result<(Target, Option<HeaderValue>), Refusal> {
    if sent.starts_with('/') {
        return Ok((Target::Path(sent.to_owned()), None));
    }
    if sent == "*" && *method == Method::OPTIONS {
        return Ok((Target::Server, None));
    }
    let rest = ["http://", "https://"]
        .into_iter()
        .find_map(|scheme| {
            let (start, rest) = sent.split_at_checked(scheme.len())?;
            start.eq_ignore_ascii_case(scheme).then_some(rest)
        })
        .ok_or(Refusal::Target)?;
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    if !is_host(authority.as_bytes()) {
        return Err(Refusal::Target);
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let authority = HeaderValue::from_str(authority).map_err(|_| Refusal::Target)?;
    Ok((Target::Path(format!("{slash}{path}")), Some(authority)))
}

/// The header lines from this byte on, up to the empty line.
pub(super) fn read_headers(
    head: &Bytes,
    start: usize,
    limits: &ServerLimits,
) -> Result<Headers, Refusal> {
    let mut headers = Headers::with_capacity(HEADERS_USUAL, HEADERS_USUAL * NAME_BYTES_USUAL);
    let mut line_at = start;
    while let Some(offset) = head
        .get(line_at..)
        .and_then(|rest| memchr::memchr(b'\n', rest))
    {
        let line_end = (line_at + offset).saturating_sub(1);
        if line_end == line_at {
            break;
        }
        if headers.len() == limits.headers_max {
            return Err(Refusal::TooManyHeaders);
        }
        let (name, value) = read_header(head, line_at, line_end)?;
        headers.push(name, value);
        line_at += offset + 1;
    }
    Ok(headers)
}

/// Headers that a request usually has: room is made for them at once.
const HEADERS_USUAL: usize = 16;
/// Bytes that the name of a header usually has.
const NAME_BYTES_USUAL: usize = 16;

/// Reads one header line, whose value shares the head's memory.
fn read_header(head: &Bytes, start: usize, end: usize) -> Result<(&str, HeaderValue), Refusal> {
    let line = head.get(start..end).ok_or(Refusal::HeaderName)?;
    if line.first().is_some_and(|byte| is_blank(*byte)) {
        return Err(Refusal::FoldedHeader);
    }
    let colon = memchr::memchr(b':', line).ok_or(Refusal::HeaderName)?;
    let (name, value) = line.split_at(colon);
    if !is_token(name) {
        return Err(Refusal::HeaderName);
    }
    let name = std::str::from_utf8(name).map_err(|_| Refusal::HeaderName)?;
    let value = value.get(1..).unwrap_or_default();
    let value_at = value
        .iter()
        .position(|byte| !is_blank(*byte))
        .unwrap_or(value.len());
    let value_end = value
        .iter()
        .rposition(|byte| !is_blank(*byte))
        .map_or(value_at, |last| last + 1);
    let value_start = start + colon + 1;
    let value = head.slice(value_start + value_at..value_start + value_end);
    let value = HeaderValue::from_maybe_shared(value).map_err(|_| Refusal::HeaderValue)?;
    Ok((name, value))
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// A token, as names of headers are.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether a trailer line of a chunked body is framed as a header is.
pub(super) fn is_header_line(line: &[u8]) -> bool {
    let line = Bytes::copy_from_slice(line);
    read_header(&line, 0, line.len()).is_ok()
}

/// A host with or without a port: what RFC 3986 allows in an authority, without user names.
pub(super) fn is_host(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

fn check_host(headers: &Headers, version: Version, form: HostForm) -> Result<(), Refusal> {
    let is_host = |sent: &[u8]| match form {
        HostForm::Authority => is_host(sent),
        HostForm::Address => {
            let mut schemes = [b"http://".as_slice(), b"https://"].into_iter();
            let named = schemes.find_map(|scheme| sent.strip_prefix(scheme));
            is_host(named.unwrap_or(sent))
        }
    };
    let mut hosts = headers.get_all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => Ok(()),
        (None, None) if version == Version::HTTP_10 => Ok(()),
        (Some(_) | None, Some(_) | None) => Err(Refusal::Host),
    }
}

fn body_length(headers: &Headers, version: Version) -> Result<BodyLength, Refusal> {
    let mut lengths = headers.get_all("content-length");
    let mut encodings = headers.get_all("transfer-encoding");
    let (length, encoding) = (lengths.next(), encodings.next());
    if lengths.next().is_some() {
        // Two equal lengths could be forgiven (RFC 9110, 8.6), but no sound client sends them.
        return Err(Refusal::ContentLength);
    }
    if encodings.next().is_some() {
        return Err(Refusal::TransferEncoding);
    }
    match (length, encoding) {
        (None, None) => Ok(BodyLength::Exact(0)),
        (Some(_), Some(_)) => Err(Refusal::LengthAndEncoding),
        (None, Some(encoding)) => {
            let is_chunked = encoding.as_bytes().eq_ignore_ascii_case(b"chunked");
            if version == Version::HTTP_11 && is_chunked {
                Ok(BodyLength::Chunked)
            } else {
                Err(Refusal::TransferEncoding)
            }
        }
        (Some(length), None) => {
            let digits = length.to_str().map_err(|_| Refusal::ContentLength)?;
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(Refusal::ContentLength);
            }
            let length = digits.parse().map_err(|_| Refusal::ContentLength)?;
            Ok(BodyLength::Exact(length))
        }
    }
}

fn persistence(headers: &Headers, version: Version) -> Persistence {
    let options = || {
        headers
            .get_all("connection")
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
    };
    let has = |option: &[u8]| options().any(|sent| sent.eq_ignore_ascii_case(option));
    if has(b"close") || (version == Version::HTTP_10 && !has(b"keep-alive")) {
        Persistence::Close
    } else {
        Persistence::KeepAlive
    }
}

fn expectation(headers: &Headers, version: Version) -> Result<Expectation, Refusal> {
    let mut expectation = Expectation::None;
    if version == Version::HTTP_10 {
        return Ok(expectation);
    }
    for value in headers.get_all("expect") {
        let value = value.as_bytes();
        if value.eq_ignore_ascii_case(CONTINUE) {
            expectation = Expectation::Continue;
        } else if looks_like_continue(value) {
            return Err(Refusal::Expectation);
        }
    }
    Ok(expectation)
}

/// Whether another reader may take it for the expectation that there is. What nobody takes for it is passed over, as the cloud
/// does: the body follows at once, framed like any other.
fn looks_like_continue(value: &[u8]) -> bool {
    let mut windows = value.windows(CONTINUE.len());
    windows.any(|window| window.eq_ignore_ascii_case(CONTINUE))
}
