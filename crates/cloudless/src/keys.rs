//! The access keys that are valid in this process: those of functions' roles.
//!
//! Lives here: handing out temporary keys, and finding who holds them.
//! Does not live here: users and their keys (`service-identity`, later), checking signatures (`aws-wire`).

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::principals::{Holder, Principals};
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
    fn holder(&self, access_key_id: &str) -> Option<Holder> {
        self.issued
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(access_key_id)
            .cloned()
    }

    fn issue(&self, function: &Function) -> Credentials {
        let credentials = Credentials {
            access_key_id: access_key_id(self.draw::<16>()),
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

/// `ASIA` and sixteen characters, as temporary keys of the cloud look.
fn access_key_id(random: [u8; 16]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let characters = random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
    std::iter::once("ASIA".to_owned())
        .chain(characters.map(|letter| char::from(*letter).to_string()))
        .collect()
}
