//! Checksums of objects.
//!
//! Lives here: the five algorithms, running over pieces, and checksums of checksums.
//! Does not live here: which one a request asks for (`api`).
//!
//! Contract: Amazon S3 User Guide, "Checking object integrity".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

/// What a checksum of an object with parts is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Extent {
    FullObject,
    Composite,
}

/// A checksum of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checksum {
    pub(crate) algorithm: Algorithm,
    /// In base64; a composite one ends with the number of parts.
    pub(crate) value: String,
    pub(crate) extent: Extent,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// As `CRC32C`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The element of documents, as `ChecksumCRC32C`.
    pub(crate) fn element(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32c => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    /// The header, as `x-amz-checksum-crc32c`.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(crate) fn read(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Whether a text may be one of its values.
    pub(crate) fn is_value(self, text: &str) -> bool {
        BASE64
            .decode(text)
            .is_ok_and(|value| value.len() == self.bytes())
    }

    /// What an upload in parts gets if it does not say.
    pub(crate) fn default_extent(self) -> Extent {
        match self {
            Self::Crc64Nvme => Extent::FullObject,
            Self::Crc32 | Self::Crc32c | Self::Sha1 | Self::Sha256 => Extent::Composite,
        }
    }

    /// Whether a checksum of the whole can be put together from those of its parts.
    pub(crate) fn is_joinable(self) -> bool {
        match self {
            Self::Crc64Nvme | Self::Crc32 | Self::Crc32c => true,
            Self::Sha1 | Self::Sha256 => false,
        }
    }
}

impl Extent {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite => "COMPOSITE",
        }
    }
}

/// A checksum that is being made.
pub(crate) enum Running {
    Crc32(crc32fast::Hasher),
    /// The state.
    Crc32c(u64),
    Crc64Nvme(Box<crc64fast_nvme::Digest>),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(crc32fast::Hasher::new()),
            Algorithm::Crc32c => Self::Crc32c(u64::from(u32::MAX)),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(Box::default()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(hasher) => hasher.update(bytes),
            Self::Crc32c(state) => *state = CRC32C_TABLES.update(*state, bytes),
            Self::Crc64Nvme(digest) => digest.write(bytes),
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    /// The value in base64.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Crc32(hasher) => BASE64.encode(hasher.finalize().to_be_bytes()),
            Self::Crc32c(state) => {
                let value = u32::try_from(state ^ u64::from(u32::MAX)).unwrap_or_default();
                BASE64.encode(value.to_be_bytes())
            }
            Self::Crc64Nvme(digest) => BASE64.encode(digest.sum64().to_be_bytes()),
            Self::Sha1(hasher) => BASE64.encode(hasher.finalize()),
            Self::Sha256(hasher) => BASE64.encode(hasher.finalize()),
        }
    }
}

/// The checksum of the checksums of parts, with their number.
pub(crate) fn composite(algorithm: Algorithm, parts: &[String]) -> String {
    let mut running = Running::new(algorithm);
    for part in parts {
        running.update(&BASE64.decode(part).unwrap_or_default());
    }
    format!("{}-{}", running.finish(), parts.len())
}

/// The checksum of the whole, from those of parts and their lengths.
pub(crate) fn joined(algorithm: Algorithm, parts: &[(String, u64)]) -> Option<String> {
    let polynomial = match algorithm {
        Algorithm::Crc32 => &CRC32,
        Algorithm::Crc32c => &CRC32C,
        Algorithm::Crc64Nvme => &CRC64NVME,
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let mut whole = 0_u64;
    for (part, bytes) in parts {
        let value = BASE64.decode(part).ok()?;
        let value = value
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        whole = polynomial.shift(whole, *bytes) ^ value;
    }
    let bytes = whole.to_be_bytes();
    let skipped = bytes.len() - algorithm.bytes();
    Some(BASE64.encode(bytes.get(skipped..)?))
}

/// That of a reflected CRC.
struct Polynomial {
    bits: u32,
    polynomial: u64,
}

static CRC32: Polynomial = Polynomial {
    bits: 32,
    polynomial: 0xedb8_8320,
};
static CRC32C: Polynomial = Polynomial {
    bits: 32,
    polynomial: 0x82f6_3b78,
};
static CRC64NVME: Polynomial = Polynomial {
    bits: 64,
    polynomial: 0x9a6c_9329_ac4b_c9b5,
};

static CRC32C_TABLES: Tables = Tables::new(&CRC32C);

/// Tables for eight bytes at a time.
struct Tables([[u64; 256]; 8]);

impl Tables {
    #[expect(
        clippy::indexing_slicing,
        reason = "all indexes are below 256 or 8: it runs when it is compiled"
    )]
    const fn new(of: &Polynomial) -> Self {
        let mut tables = [[0_u64; 256]; 8];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u64;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 {
                    value >> 1 ^ of.polynomial
                } else {
                    value >> 1
                };
                bit += 1;
            }
            tables[0][byte] = value;
            byte += 1;
        }
        let mut level = 1;
        while level < 8 {
            let mut byte = 0;
            while byte < 256 {
                let below = tables[level - 1][byte];
                tables[level][byte] = below >> 8 ^ tables[0][(below & 0xff) as usize];
                byte += 1;
            }
            level += 1;
        }
        Self(tables)
    }

    fn at(&self, level: usize, byte: u64) -> u64 {
        let index = usize::from((byte & 0xff) as u8);
        self.0
            .get(level)
            .and_then(|table| table.get(index))
            .copied()
            .unwrap_or_default()
    }

    fn update(&self, mut state: u64, bytes: &[u8]) -> u64 {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let mixed = u64::from_le_bytes(*word) ^ state;
            state = self.at(7, mixed)
                ^ self.at(6, mixed >> 8)
                ^ self.at(5, mixed >> 16)
                ^ self.at(4, mixed >> 24)
                ^ self.at(3, mixed >> 32)
                ^ self.at(2, mixed >> 40)
                ^ self.at(1, mixed >> 48)
                ^ self.at(0, mixed >> 56);
        }
        for byte in rest {
            state = state >> 8 ^ self.at(0, state ^ u64::from(*byte));
        }
        state
    }
}

impl Polynomial {
    /// The checksum of a text, were it followed by so many zero bytes (both without their inversions): powers of x, squared.
    fn shift(&self, value: u64, bytes: u64) -> u64 {
        let mut power = self.one() >> 8;
        let mut factor = self.one();
        let mut left = bytes;
        while 0 < left {
            if left & 1 == 1 {
                factor = self.multiply(factor, power);
            }
            power = self.multiply(power, power);
            left >>= 1;
        }
        self.multiply(value, factor)
    }

    /// The polynomial 1: reflected, the highest bit.
    fn one(&self) -> u64 {
        1 << (self.bits - 1)
    }

    fn multiply(&self, left: u64, right: u64) -> u64 {
        let mut product = 0;
        let mut right = right;
        let mut bit = self.one();
        while 0 < bit {
            if left & bit != 0 {
                product ^= right;
            }
            right = if right & 1 == 1 {
                right >> 1 ^ self.polynomial
            } else {
                right >> 1
            };
            bit >>= 1;
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: Algorithm, text: &[u8]) -> String {
        let mut running = Running::new(algorithm);
        for piece in text.chunks(13) {
            running.update(piece);
        }
        running.finish()
    }

    // The check values of the catalogue of parametrised CRCs, of "123456789".
    #[test]
    fn checksums_are_those_of_the_catalogue() {
        let text = b"123456789";
        for (algorithm, hex) in [
            (Algorithm::Crc32, "cbf43926"),
            (Algorithm::Crc32c, "e3069283"),
            (Algorithm::Crc64Nvme, "ae8b14860a799888"),
            (Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
            (
                Algorithm::Sha256,
                "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
            ),
        ] {
            let value = BASE64.encode(hex::decode(hex).unwrap());
            assert_eq!(of(algorithm, text), value, "{algorithm:?}");
        }
    }

    #[test]
    fn checksums_of_parts_join_to_that_of_the_whole() {
        let text: Vec<u8> = (0..70_000_u32).map(|number| (number % 251) as u8).collect();
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let parts: Vec<_> = text
                .chunks(9_999)
                .map(|part| (of(algorithm, part), part.len() as u64))
                .collect();
            assert_eq!(joined(algorithm, &parts).unwrap(), of(algorithm, &text));
        }
    }
}
