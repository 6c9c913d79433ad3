//! An order as it comes over a ticket: bytes that are read in place.
//!
//! Lives here: their layout, taken apart.
//! Does not live here: how they are written (`orders`), what is done (`entry`).

/// What opens every order.
pub const ORDER_MAGIC: u32 = 0x4342_5342;
/// An order is never longer.
pub const ORDER_BYTES_MAX: usize = 32 * 1024;
/// A filter has no more instructions.
pub const FILTER_INSTRUCTIONS_MAX: usize = 1024;
/// The fixed first part of an order.
pub const HEADER_BYTES: usize = 56;
/// The process is outside: it joins the namespaces and forks.
pub const FLAG_JOIN: u32 = 1;
/// The filter asks the supervisor, so there is a listener to hand over.
pub const FLAG_NOTIFY: u32 = 2;
/// Descriptors above the channel are closed, except for the ticket.
pub const FLAG_CLOSE: u32 = 4;
/// The groups of whoever made the sandbox cannot be given up: an ordinary user's maps forbid `setgroups`.
pub const FLAG_KEEP_GROUPS: u32 = 8;

/// An order as it came, its parts still where they were.
pub struct Order<'a> {
    pub(super) flags: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) handled_files: u64,
    pub(super) scoped: u64,
    limits: &'a [u8],
    rules: &'a [u8],
    pub(super) filter: &'a [u8],
}

impl<'a> Order<'a> {
    /// Takes an order apart; nothing if its lengths do not add up.
    ///
    /// Ten numbers (u32: magic, flags, uid, gid, limits, rule bytes, instructions, three that are zero), two (u64:
    /// files, scopes), then the filter, the limits (u64 resource, u64 value), the rules (u64 access, u64 length of a
    /// path that ends with zero bytes, the path).
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        if u32_at(bytes, 0)? != ORDER_MAGIC {
            return None;
        }
        let length = |at| u32_at(bytes, at).map(|length| length as usize);
        let filter_end = HEADER_BYTES.checked_add(length(24)?.checked_mul(8)?)?;
        let limits_end = filter_end.checked_add(length(16)?.checked_mul(16)?)?;
        let rules_end = limits_end.checked_add(length(20)?)?;
        if rules_end != bytes.len() {
            return None;
        }
        Some(Self {
            flags: u32_at(bytes, 4)?,
            uid: u32_at(bytes, 8)?,
            gid: u32_at(bytes, 12)?,
            handled_files: u64_at(bytes, 40)?,
            scoped: u64_at(bytes, 48)?,
            filter: bytes.get(HEADER_BYTES..filter_end)?,
            limits: bytes.get(filter_end..limits_end)?,
            rules: bytes.get(limits_end..rules_end)?,
        })
    }

    pub(crate) fn limits(&self) -> impl Iterator<Item = (u64, u64)> + 'a {
        self.limits
            .chunks_exact(16)
            .filter_map(|pair| Some((u64_at(pair, 0)?, u64_at(pair, 8)?)))
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = (u64, &'a [u8])> + 'a {
        let mut rest = self.rules;
        core::iter::from_fn(move || {
            let (access, length) = (u64_at(rest, 0)?, u64_at(rest, 8)? as usize);
            let path = rest.get(16..16usize.checked_add(length)?)?;
            rest = rest.get(16 + length..)?;
            (path.last() == Some(&0)).then_some((access, path))
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_ne_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let eight = bytes.get(at..at.checked_add(8)?)?;
    eight.try_into().ok().map(u64::from_ne_bytes)
}
