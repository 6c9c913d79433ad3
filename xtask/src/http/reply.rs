//! Replies of HTTP/1.1, found in the bytes that have come so far.
//!
//! Lives here: where a reply ends, its status and body.
//! Does not live here: connections (`http`, `http::swarm`).

use anyhow::{Context, Result, ensure};

/// The largest reply that is read, in bytes: an object of 64 MiB fits.
const REPLY_BYTES_MAX: usize = 80 * 1024 * 1024;

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The server says that it closes the connection, which some do much later.
    pub(crate) closes: bool,
}

impl Reply {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What of a reply can be told without copying it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) status: u16,
    /// Bytes up to the body.
    head: usize,
    /// Bytes of the whole reply.
    pub(super) length: usize,
    /// Whether the server takes no other request on this connection.
    pub(super) closes: bool,
    is_chunked: bool,
}

/// The reply at the beginning of these bytes, and how long it is; none while some of it is missing.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Reply, usize)>> {
    let Some(frame) = frame(bytes)? else {
        return Ok(None);
    };
    let body = bytes.get(frame.head..frame.length).unwrap_or_default();
    let body = if frame.is_chunked {
        joined(body)
    } else {
        body.to_vec()
    };
    let reply = Reply {
        status: frame.status,
        body: String::from_utf8_lossy(&body).into_owned(),
        closes: frame.closes,
    };
    Ok(Some((reply, frame.length)))
}

/// The status of a reply that announces its length, the bytes of its head, and those of its body; none while its head is missing.
pub(super) fn announced(bytes: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some((head, body)) = length(bytes)? else {
        return Ok(None);
    };
    let status = bytes.get(9..12).context("not a reply")?;
    let status = std::str::from_utf8(status)?.parse()?;
    Ok(Some((status, head, body)))
}

/// The bytes of the head of a request or a reply, and those that it announces; none while it is not whole.
pub(crate) fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(head) = find(bytes, b"\r\n\r\n").map(|end| end + 4) else {
        return Ok(None);
    };
    let mut lines = bytes
        .get(..head)
        .unwrap_or_default()
        .split(|byte| *byte == b'\n');
    let length = lines.find_map(|line| header(line, b"content-length:"));
    let length = length.context("a message that does not say how long it is")?;
    Ok(Some((head, std::str::from_utf8(length)?.parse()?)))
}

/// The same without its body.
pub(super) fn frame(bytes: &[u8]) -> Result<Option<Frame>> {
    ensure!(
        bytes.len() <= REPLY_BYTES_MAX,
        "a reply of over {REPLY_BYTES_MAX} bytes"
    );
    let Some(end) = find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = bytes.get(..end).unwrap_or_default();
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.trim_ascii_end());
    let status = lines.next().and_then(|line| line.get(9..12));
    let status = status
        .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok())
        .with_context(|| format!("not a reply: {}", String::from_utf8_lossy(head)))?;
    let (mut length, mut is_chunked) = (0, false);
    let mut closes = head.starts_with(b"HTTP/1.0");
    for line in lines {
        if let Some(value) = header(line, b"content-length:") {
            length = std::str::from_utf8(value)?.parse()?;
        } else if header(line, b"transfer-encoding:").is_some() {
            is_chunked = true;
        } else if let Some(value) = header(line, b"connection:") {
            closes = value.eq_ignore_ascii_case(b"close");
        }
    }
    let head = end + 4;
    let body = bytes.get(head..).unwrap_or_default();
    let length = if is_chunked {
        match chunks(body)? {
            Some(length) => length,
            None => return Ok(None),
        }
    } else {
        length
    };
    Ok((length <= body.len()).then_some(Frame {
        status,
        head,
        length: head + length,
        closes,
        is_chunked,
    }))
}

/// The value of the header, when the line is that header.
fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// How many bytes all chunks take, the last one included; none while some are missing.
fn chunks(body: &[u8]) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let Some(line) = find(rest, b"\r\n") else {
            return Ok(None);
        };
        let size = size(rest.get(..line).unwrap_or_default())?;
        at += line + 2 + size + 2;
        if body.len() < at {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

fn size(line: &[u8]) -> Result<usize> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
    let size = usize::from_str_radix(std::str::from_utf8(digits)?.trim(), 16)?;
    ensure!(size <= REPLY_BYTES_MAX, "a chunk of {size} bytes");
    Ok(size)
}

/// The chunks without their frames; they are known to be whole.
fn joined(mut body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(line) = find(body, b"\r\n") {
        let size = size(body.get(..line).unwrap_or_default()).unwrap_or_default();
        all.extend_from_slice(body.get(line + 2..line + 2 + size).unwrap_or_default());
        body = body.get(line + 2 + size + 2..).unwrap_or_default();
    }
    all
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_once_all_of_it_is_there() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1";
        for length in 0..whole.len() - 8 {
            assert_eq!(read(&whole[..length]).unwrap(), None, "{length}");
        }
        let (reply, length) = read(whole).unwrap().unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
        assert_eq!(length, whole.len() - 8);
    }

    #[test]
    fn chunks_are_joined() {
        let whole =
            b"HTTP/1.1 502 Bad\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n";
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]).unwrap(), None, "{length}");
        }
        let (reply, length) = read(whole).unwrap().unwrap();
        assert_eq!((reply.status, reply.body.as_str()), (502, "hello"));
        assert_eq!(length, whole.len());
    }

    #[test]
    fn a_server_says_whether_it_takes_another_request() {
        let closes = |head: &str| {
            let text = format!("{head}\r\nContent-Length: 0\r\n\r\n");
            frame(text.as_bytes()).unwrap().unwrap().closes
        };
        assert!(!closes("HTTP/1.1 200 OK"));
        assert!(closes("HTTP/1.1 200 OK\r\nConnection: Close"));
        assert!(closes("HTTP/1.0 200 OK"));
        assert!(!closes("HTTP/1.0 200 OK\r\nConnection: keep-alive"));
    }

    #[test]
    fn a_length_is_known_as_soon_as_the_head_is_there() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nhel";
        assert_eq!(announced(&whole[..30]).unwrap(), None);
        assert_eq!(announced(whole).unwrap(), Some((200, 41, 5_000)));
        assert!(announced(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        assert!(read(b"hello\r\n\r\n").is_err());
    }
}
