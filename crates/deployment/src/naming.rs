//! Names for resources that have none.
//!
//! Lives here: `stack-logicalId-RANDOM`.
//! Does not live here: keeping a name once it is drawn (`state`).
//!
//! Contract: AWS CloudFormation User Guide, "Name type": "a unique physical ID".

use interfaces::random::Random;
use model::ids::{LogicalId, StackName};

/// How many random characters a name ends with.
const RANDOM_CHARS: usize = 12;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new name.
pub(crate) fn generated(stack: &StackName, logical_id: &LogicalId, random: &dyn Random) -> String {
    let mut bytes = [0_u8; RANDOM_CHARS];
    random.fill(&mut bytes);
    let letter = |byte: &u8| char::from(*ALPHABET.get(usize::from(byte & 31)).unwrap_or(&b'A'));
    let suffix: String = bytes.iter().map(letter).collect();
    format!("{stack}-{logical_id}-{suffix}")
}
