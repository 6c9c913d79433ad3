//! Ranges of bytes.
//!
//! Lives here: reading `Range` and `x-amz-copy-source-range`.
//! Does not live here: reading the bytes (`engine::reading`).
//!
//! Contract: RFC 9110, section 14; one range alone, as S3 takes it.

use crate::engine::fault::{self, Fault};

/// The first byte, and how many.
pub(crate) type Span = (u64, u64);

/// The range that a header asks for; none: all of it.
pub(crate) fn read(header: Option<&str>, size: u64) -> Result<Option<Span>, Fault> {
    let Some(spec) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Ok(None);
    };
    let unsatisfiable = || {
        Fault::from(fault::INVALID_RANGE)
            .with("RangeRequested", format!("bytes={spec}"))
            .with("ActualObjectSize", size.to_string())
            .with_header("content-range", format!("bytes */{size}"))
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Ok(None);
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if last < first => Ok(None),
        (Ok(first), _) if size <= first => Err(unsatisfiable()),
        (Ok(first), Ok(last)) => Ok(Some((first, last.min(size - 1) - first + 1))),
        (Ok(first), Err(_)) if last.trim().is_empty() => Ok(Some((first, size - first))),
        (Err(_), Ok(0)) if first.trim().is_empty() => Err(unsatisfiable()),
        (Err(_), Ok(_)) if first.trim().is_empty() && size == 0 => Err(unsatisfiable()),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => {
            let length = suffix.min(size);
            Ok(Some((size - length, length)))
        }
        (Ok(_) | Err(_), _) => Ok(None),
    }
}

/// The range of a part that is copied: both ends must be given and be there.
pub(crate) fn of_copy(header: Option<&str>, size: u64) -> Result<Span, Fault> {
    let Some(header) = header else {
        return Ok((0, size));
    };
    let ends = header
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
        .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?)));
    match ends {
        Some((first, last)) if first <= last => {
            if size <= last {
                return Err(Fault::saying(
                    fault::INVALID_ARGUMENT,
                    format!("Range specified is not valid for source object of size: {size}"),
                )
                .with("ArgumentName", "x-amz-copy-source-range")
                .with("ArgumentValue", header));
            }
            Ok((first, last - first + 1))
        }
        Some(_) | None => Err(Fault::argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            header,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_what_is_there() {
        for (header, size, expected) in [
            ("bytes=0-4", 10, Some((0, 5))),
            ("bytes=4-", 10, Some((4, 6))),
            ("bytes=-3", 10, Some((7, 3))),
            ("bytes=-30", 10, Some((0, 10))),
            ("bytes=4-100", 10, Some((4, 6))),
            ("bytes=5-4", 10, None),
            ("bytes=a-b", 10, None),
            ("lines=1-2", 10, None),
        ] {
            assert_eq!(read(Some(header), size).unwrap(), expected, "{header}");
        }
        for (header, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=-1", 0)] {
            assert_eq!(
                read(Some(header), size).unwrap_err().kind,
                fault::INVALID_RANGE
            );
        }
    }
}
