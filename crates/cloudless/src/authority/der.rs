//! Certificates as bytes.
//!
//! Lives here: writing the few forms of DER that our certificates have, and the certificates.
//! Does not live here: keys, which names are certified, where anything is kept (`authority`).
//!
//! Contract: RFC 5280, sections 4.1 and 4.2; RFC 5480; ITU-T X.690, section 10.

use jiff::Timestamp;

/// `ecdsa-with-SHA256`.
const SIGNATURE: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
/// `id-ecPublicKey` and `secp256r1`.
const PUBLIC_KEY: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];
const CURVE: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_KEY: &[u8] = &[0x55, 0x1D, 0x0E];
const KEY_USAGE: &[u8] = &[0x55, 0x1D, 0x0F];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];
const BASIC: &[u8] = &[0x55, 0x1D, 0x13];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 0x1E];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1D, 0x23];
const EXTENDED_USAGE: &[u8] = &[0x55, 0x1D, 0x25];
/// `id-kp-serverAuth`.
const SERVER: &[u8] = &[0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

pub(crate) const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT: u8 = 0x06;
const UTF8: u8 = 0x0C;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const TRUE: [u8; 3] = [0x01, 0x01, 0xFF];
/// A name of a host, where one of several kinds of names stands.
const HOST: u8 = 0x82;

/// What a certificate says.
pub(super) struct Certificate<'a> {
    /// Positive; no two of one authority are the same.
    pub(super) serial: [u8; 16],
    pub(super) issuer: &'a str,
    pub(super) subject: &'a str,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The point of the subject's key, and what tells it from others.
    pub(super) key: (&'a [u8], &'a [u8]),
    /// What tells the issuer's key from others.
    pub(super) issuer_key: &'a [u8],
    pub(super) role: Role<'a>,
}

/// What a certificate is for.
pub(super) enum Role<'a> {
    /// It certifies hosts below these names, and nothing else.
    Authority(&'a [&'a str]),
    /// It is a host's.
    Host(&'a str),
}

/// What is to be signed.
pub(super) fn to_be_signed(certificate: &Certificate<'_>) -> Vec<u8> {
    let version = tagged(0xA0, &tagged(INTEGER, &[2]));
    let mut serial = certificate.serial;
    // Positive, and as short as it can be written.
    if let Some(first) = serial.first_mut() {
        *first = *first & 0x7F | 0x40;
    }
    let (point, key) = certificate.key;
    let key_kind = sequence(&[tagged(OBJECT, PUBLIC_KEY), tagged(OBJECT, CURVE)]);
    let mut extensions = vec![
        extension(SUBJECT_KEY, &tagged(OCTET_STRING, key)),
        extension(
            AUTHORITY_KEY,
            &sequence(&[tagged(0x80, certificate.issuer_key)]),
        ),
    ];
    match &certificate.role {
        Role::Authority(names) => extensions.extend([
            critical(BASIC, &sequence(&[TRUE.into(), tagged(INTEGER, &[0])])),
            // keyCertSign and cRLSign.
            critical(KEY_USAGE, &tagged(BIT_STRING, &[1, 0x06])),
            critical(NAME_CONSTRAINTS, &constraints(names)),
        ]),
        Role::Host(name) => extensions.extend([
            critical(BASIC, &sequence(&[])),
            // digitalSignature.
            critical(KEY_USAGE, &tagged(BIT_STRING, &[7, 0x80])),
            extension(EXTENDED_USAGE, &sequence(&[tagged(OBJECT, SERVER)])),
            extension(
                ALTERNATIVE_NAMES,
                &sequence(&[tagged(HOST, name.as_bytes())]),
            ),
        ]),
    }
    sequence(&[
        version,
        tagged(INTEGER, &serial),
        algorithm(),
        name(certificate.issuer),
        sequence(&[time(certificate.from), time(certificate.until)]),
        name(certificate.subject),
        sequence(&[key_kind, bits(point)]),
        tagged(0xA3, &sequence(&extensions)),
    ])
}

/// The certificate, with its signature.
pub(super) fn signed(to_be_signed: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    sequence(&[to_be_signed, algorithm(), bits(signature)])
}

fn constraints(names: &[&str]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = names
        .iter()
        .map(|name| sequence(&[tagged(HOST, name.as_bytes())]))
        .collect();
    sequence(&[tagged(0xA0, &names.concat())])
}

fn algorithm() -> Vec<u8> {
    sequence(&[tagged(OBJECT, SIGNATURE)])
}

pub(crate) fn name(text: &str) -> Vec<u8> {
    let part = sequence(&[tagged(OBJECT, COMMON_NAME), tagged(UTF8, text.as_bytes())]);
    sequence(&[tagged(SET, &part)])
}

fn extension(what: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[tagged(OBJECT, what), tagged(OCTET_STRING, value)])
}

/// One that whoever does not understand it must not pass over.
fn critical(what: &[u8], value: &[u8]) -> Vec<u8> {
    let parts = [
        tagged(OBJECT, what),
        TRUE.into(),
        tagged(OCTET_STRING, value),
    ];
    sequence(&parts)
}

/// Until 2049 with two digits of the year, from then on with four.
pub(crate) fn time(at: Timestamp) -> Vec<u8> {
    let year = at.to_zoned(jiff::tz::TimeZone::UTC).year();
    let (tag, format) = if year < 2050 {
        (0x17, "%y%m%d%H%M%SZ")
    } else {
        (0x18, "%Y%m%d%H%M%SZ")
    };
    tagged(tag, at.strftime(format).to_string().as_bytes())
}

pub(crate) fn bits(bytes: &[u8]) -> Vec<u8> {
    tagged(BIT_STRING, &[&[0], bytes].concat())
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(SEQUENCE, &parts.concat())
}

pub(crate) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut written = vec![tag];
    let length = content.len();
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => written.push(short),
        Ok(_) | Err(_) => {
            let bytes: Vec<u8> = length
                .to_be_bytes()
                .into_iter()
                .skip_while(|byte| *byte == 0)
                .collect();
            // A length has at most eight bytes.
            written.push(0x80 | bytes.len() as u8);
            written.extend(bytes);
        }
    }
    written.extend_from_slice(content);
    written
}
