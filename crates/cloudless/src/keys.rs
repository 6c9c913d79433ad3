//! The access keys that are valid in this process: those of functions' roles.
//!
//! Lives here: handing out temporary keys, and finding who holds them.
//! Does not live here: users and their keys (`service-identity`, later), checking signatures (`aws-wire`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::principals::{Holder, Key, Principals};
use interfaces::random::Random;
use model::function::Function;
use model::principal::{Credentials, Principal};

/// Keys of functions' roles. Each lives as long as the instance (or template) that it was issued to.
pub struct RolePrincipals {
    random: Arc<dyn Random>,
    /// By access key id. Bounded by the number of instances, since each revokes its own.
    issued: RwLock<HashMap<String, Holder>>,
}

impl RolePrincipals {
    /// No keys yet.
    #[must_use]
    pub fn new(random: Arc<dyn Random>) -> Self {
        Self {
            random,
            issued: RwLock::default(),
        }
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill(&mut bytes);
        bytes
    }
}

impl Principals for RolePrincipals {
    fn find(&self, access_key_id: &str) -> Key {
        let issued = self.issued.read().unwrap_or_else(PoisonError::into_inner);
        match issued.get(access_key_id) {
            Some(holder) => Key::Issued(Box::new(holder.clone())),
            None if access_key_id.starts_with(PREFIX) => Key::Revoked,
            None => Key::Unknown,
        }
    }

    fn issue(&self, function: &Function) -> Credentials {
        let credentials = Credentials {
            access_key_id: access_key_id(self.draw::<10>()),
            secret_access_key: STANDARD.encode(self.draw::<30>()),
            session_token: Some(STANDARD.encode(self.draw::<60>())),
        };
        let principal = Principal::FunctionRole {
            account: function.account.clone(),
            role: function.role.clone(),
            function: function.name.clone(),
        };
        let holder = Holder {
            principal,
            credentials: credentials.clone(),
        };
        let mut issued = self.issued.write().unwrap_or_else(PoisonError::into_inner);
        issued.insert(credentials.access_key_id.clone(), holder);
        credentials
    }

    fn revoke(&self, access_key_id: &str) {
        self.issued
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(access_key_id);
    }
}

/// How our keys begin: `ASIA`, as temporary keys of the cloud do, and a mark by which they are known as ours when they
/// are valid no more, after a restart too. Nothing has to be kept of them.
const PREFIX: &str = "ASIADEVKEY";

/// The prefix and ten characters: twenty, as access key ids of the cloud have.
fn access_key_id(random: [u8; 10]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let characters = random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
        .map(|letter| char::from(*letter));
    PREFIX.chars().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::RealRandom;

    #[test]
    fn a_key_that_was_revoked_stays_known_as_ours() {
        let keys = RolePrincipals::new(Arc::new(RealRandom::default()));
        let id = access_key_id(keys.draw());
        assert_eq!(id.len(), 20);
        assert!(matches!(keys.find(&id), Key::Revoked));
        assert!(matches!(keys.find("ASIAIOSFODNN7EXAMPLE"), Key::Unknown));
        assert!(matches!(keys.find("test"), Key::Unknown));
    }
}
