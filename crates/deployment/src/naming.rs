//! Names for resources that have none.
//!
//! Lives here: `stack-logicalId-SUFFIX`.
//! Does not live here: keeping a name once a resource has it, counting generations (`state`).
//!
//! Contract: AWS CloudFormation User Guide, "Name type": "a unique physical ID". Differs: the suffix is not random, so that
//! every command, and every machine, shows the same name.

use model::ids::{LogicalId, StackName};
use sha2::{Digest, Sha256};

/// How many characters a name ends with.
const SUFFIX_CHARS: usize = 12;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The name of a resource in this generation: one for each time that it was replaced, or kept and forgotten.
pub(crate) fn generated(stack: &StackName, logical_id: &LogicalId, generation: u64) -> String {
    let digest = Sha256::digest(format!("{stack}/{logical_id}/{generation}"));
    let letter = |byte: &u8| char::from(*ALPHABET.get(usize::from(byte & 31)).unwrap_or(&b'A'));
    let suffix: String = digest.iter().take(SUFFIX_CHARS).map(letter).collect();
    format!("{stack}-{logical_id}-{suffix}")
}

/// The series that counts the generations of a resource.
pub(crate) fn series(stack: &StackName, logical_id: &LogicalId) -> String {
    format!("name of {stack}/{logical_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_every_time_and_another_in_the_next_generation() {
        let name = |stack: &str, id: &str, generation| {
            generated(&StackName::new(stack), &LogicalId::new(id), generation)
        };
        let first = name("shop-dev", "Orders", 0);
        assert_eq!(first, name("shop-dev", "Orders", 0));
        let suffix = first.strip_prefix("shop-dev-Orders-").unwrap();
        assert_eq!(suffix.len(), SUFFIX_CHARS);
        assert!(suffix.bytes().all(|letter| ALPHABET.contains(&letter)));
        let suffix_of = |name: String| name.rsplit('-').next().unwrap().to_owned();
        let others = [
            name("shop-dev", "Orders", 1),
            name("shop-prod", "Orders", 0),
            name("shop-dev", "Pets", 0),
        ];
        for other in others {
            assert_ne!(suffix_of(other), suffix);
        }
    }
}
