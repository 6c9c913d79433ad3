//! Making an RSA key.
//!
//! Lives here: primes, and the parts of a key that follow from them.
//! Does not live here: signing (`issuer`), keeping it (`issuer`).
//!
//! Contract: FIPS 186-5, A.1.3 (random probable primes) and B.3.1 (Miller-Rabin). ring signs and verifies with RSA but makes
//! no keys. It takes some tenths of a second, once a machine. The arithmetic is not of constant time: whoever could measure it
//! runs as the same user, and could read the key's file.

use interfaces::random::Random;
use num_bigint::BigUint;

const PRIME_BITS: u64 = 1_024;
const PRIME_BYTES: usize = 128;
/// Candidates that are divided by these first: most are no primes because of one of them.
const SMALL_BELOW: u32 = 2_000;
/// FIPS 186-5, table B.1 asks for 5 for primes of this size; each more divides the error by four.
const ROUNDS: usize = 16;
/// FIPS 186-5, A.1.3: the primes differ in their first 100 bits.
const DISTANCE_BITS: u64 = PRIME_BITS - 100;

/// A key of 2,048 bits, by the names of RFC 7518, 6.3.
pub(crate) struct Parts {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    pub(crate) d: Vec<u8>,
    pub(crate) p: Vec<u8>,
    pub(crate) q: Vec<u8>,
    pub(crate) dp: Vec<u8>,
    pub(crate) dq: Vec<u8>,
    pub(crate) qi: Vec<u8>,
}

/// Makes a key.
pub(crate) fn make(random: &dyn Random) -> Parts {
    let one = BigUint::from(1_u8);
    let exponent = BigUint::from(65_537_u32);
    let small = small_primes();
    loop {
        let (first, second) = (prime(random, &small), prime(random, &small));
        let (p, q) = if second < first {
            (first, second)
        } else {
            (second, first)
        };
        if (&p - &q).bits() <= DISTANCE_BITS {
            continue;
        }
        let (below_p, below_q) = (&p - &one, &q - &one);
        // There is none where the exponent divides either.
        let inverse = exponent.modinv(&(&below_p * &below_q));
        let (Some(d), Some(qi)) = (inverse, q.modinv(&p)) else {
            continue;
        };
        return Parts {
            n: (&p * &q).to_bytes_be(),
            e: exponent.to_bytes_be(),
            dp: (&d % &below_p).to_bytes_be(),
            dq: (&d % &below_q).to_bytes_be(),
            qi: qi.to_bytes_be(),
            d: d.to_bytes_be(),
            p: p.to_bytes_be(),
            q: q.to_bytes_be(),
        };
    }
}

fn prime(random: &dyn Random, small: &[u32]) -> BigUint {
    loop {
        let mut bytes = [0; PRIME_BYTES];
        random.fill(&mut bytes);
        let mut candidate = BigUint::from_bytes_be(&bytes);
        // Odd; and with its two highest bits, so that the product of two has all of its bits.
        candidate.set_bit(0, true);
        candidate.set_bit(PRIME_BITS - 1, true);
        candidate.set_bit(PRIME_BITS - 2, true);
        let is_divided = |by: &u32| &candidate % *by == BigUint::ZERO;
        if !small.iter().any(is_divided) && is_probably_prime(&candidate, random) {
            return candidate;
        }
    }
}

/// Miller-Rabin with random bases.
fn is_probably_prime(candidate: &BigUint, random: &dyn Random) -> bool {
    let one = BigUint::from(1_u8);
    let two = BigUint::from(2_u8);
    let below = candidate - &one;
    let Some(zeros) = below.trailing_zeros() else {
        return false;
    };
    let odd = &below >> zeros;
    for _round in 0..ROUNDS {
        let mut bytes = [0; PRIME_BYTES];
        random.fill(&mut bytes);
        // From 2 to two below the candidate.
        let base = BigUint::from_bytes_be(&bytes) % (&below - &two) + &two;
        let mut power = base.modpow(&odd, candidate);
        if power == one || power == below {
            continue;
        }
        let mut is_witness = true;
        for _square in 1..zeros {
            power = power.modpow(&two, candidate);
            if power == below {
                is_witness = false;
                break;
            }
        }
        if is_witness {
            return false;
        }
    }
    true
}

fn small_primes() -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for number in 2..SMALL_BELOW {
        if primes.iter().all(|prime| number % prime != 0) {
            primes.push(number);
        }
    }
    primes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::RealRandom;

    #[test]
    fn primes_are_told_from_other_numbers() {
        let random = RealRandom::default();
        for (number, expected) in [
            (101_u64, true),
            (7_919, true),
            (2_147_483_647, true),
            (1_000_000_007, true),
            // Carmichael numbers, and a strong pseudoprime to the bases 2 to 37.
            (561, false),
            (41_041, false),
            (825_265, false),
            (3_825_123_056_546_413_051, false),
            (1_000_000_007 * 3, false),
        ] {
            let found = is_probably_prime(&BigUint::from(number), &random);
            assert_eq!(found, expected, "{number}");
        }
    }

    #[test]
    fn small_primes_are_primes() {
        assert_eq!(
            small_primes().get(..6),
            Some([2, 3, 5, 7, 11, 13].as_slice())
        );
        assert_eq!(small_primes().len(), 303);
    }
}
