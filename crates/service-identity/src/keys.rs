//! Access keys: of functions' instances, of users, of sessions.
//!
//! Lives here: handing out temporary keys, and finding who holds a pair.
//! Does not live here: keeping keys of users and sessions (`state`), checking signatures (`aws-wire`).

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::principals::{Holder, Key, Principals};
use interfaces::random::Random;
use model::arn::Arn;
use model::function::Function;
use model::ids::AccountId;
use model::principal::{Credentials, Principal};

use crate::service::Service;
use crate::state::{AccessKey, Account, KeyStatus, Session, SessionOf};

/// How temporary keys begin: `ASIA`, as those of the cloud do, and a mark by which they are known as ours when they are
/// valid no more, after a restart too. Nothing has to be kept of them.
const TEMPORARY: &str = "ASIADEVKEY";
/// How lasting keys begin; they are known as ours when they are deleted.
const LASTING: &str = "AKIADEVKEY";
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Keys of functions' roles. Each lives as long as the instance (or template) that it was issued to.
#[derive(Default)]
pub(crate) struct InstanceKeys {
    /// By access key id. Bounded by the number of instances, since each revokes its own.
    issued: RwLock<HashMap<String, Holder>>,
}

impl Principals for Service {
    fn find(&self, access_key_id: &str) -> Key {
        let issued = &self.instances.issued;
        let held = issued
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(access_key_id)
            .cloned();
        if let Some(holder) = held {
            return Key::Issued(Box::new(holder));
        }
        let kept = self.state.find(|id, account| {
            if let Some(session) = account.sessions.get(access_key_id) {
                return Some(if self.clock.now() < session.expires_at {
                    of_session(id, account, session)
                } else {
                    Key::Revoked
                });
            }
            let key = account.keys.get(access_key_id)?;
            Some(of_user(id, account, key))
        });
        if let Some(kept) = kept {
            kept
        } else if access_key_id.starts_with(TEMPORARY) {
            Key::Revoked
        } else if access_key_id.starts_with(LASTING) {
            Key::Withdrawn
        } else {
            Key::Unknown
        }
    }

    fn issue(&self, function: &Function) -> Credentials {
        let credentials = temporary(&*self.random);
        let principal = Principal::FunctionRole {
            account: function.account.clone(),
            role: function.role.clone(),
            function: function.name.clone(),
        };
        let holder = Holder {
            principal,
            credentials: credentials.clone(),
        };
        let issued = &self.instances.issued;
        let mut issued = issued.write().unwrap_or_else(PoisonError::into_inner);
        issued.insert(credentials.access_key_id.clone(), holder);
        credentials
    }

    fn revoke(&self, access_key_id: &str) {
        let issued = &self.instances.issued;
        issued
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(access_key_id);
    }
}

/// A new pair of temporary keys.
pub(crate) fn temporary(random: &dyn Random) -> Credentials {
    Credentials {
        access_key_id: marked(TEMPORARY, random),
        secret_access_key: secret(random),
        session_token: Some(STANDARD.encode(draw::<60>(random))),
    }
}

/// A new pair of lasting keys: id and secret.
pub(crate) fn lasting(random: &dyn Random) -> (String, String) {
    (marked(LASTING, random), secret(random))
}

/// A unique id: four letters that say of what, and seventeen drawn ones.
pub(crate) fn unique_id(kind: &str, random: &dyn Random) -> String {
    kind.chars().chain(letters(draw::<17>(random))).collect()
}

/// The mark and ten characters: twenty, as access key ids of the cloud have.
fn marked(mark: &str, random: &dyn Random) -> String {
    mark.chars().chain(letters(draw::<10>(random))).collect()
}

fn secret(random: &dyn Random) -> String {
    STANDARD.encode(draw::<30>(random))
}

fn letters<const N: usize>(bytes: [u8; N]) -> impl Iterator<Item = char> {
    bytes.into_iter().filter_map(|byte| {
        let letter = ALPHABET.get(usize::from(byte % 32))?;
        Some(char::from(*letter))
    })
}

fn draw<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

fn of_user(id: &AccountId, account: &Account, key: &AccessKey) -> Key {
    let user = account.users.get(&key.user);
    let arn = user.and_then(|user| Arn::parse(&user.arn).ok());
    match (key.status, arn) {
        (KeyStatus::Active, Some(arn)) => Key::Issued(Box::new(Holder {
            principal: Principal::User {
                account: id.clone(),
                arn,
            },
            credentials: Credentials {
                access_key_id: key.id.clone(),
                secret_access_key: key.secret.clone(),
                session_token: None,
            },
        })),
        (KeyStatus::Active | KeyStatus::Inactive, _) => Key::Withdrawn,
    }
}

/// A session ends with its user or role; another of the same name is not the one that it is of.
fn of_session(id: &AccountId, account: &Account, session: &Session) -> Key {
    if account.holder(&session.of) != Some(session.holder.as_str()) {
        return Key::Withdrawn;
    }
    let principal = match &session.of {
        SessionOf::Root => Some(Principal::Root {
            account: id.clone(),
        }),
        SessionOf::User(name) => account.users.get(name).and_then(|user| {
            Some(Principal::User {
                account: id.clone(),
                arn: Arn::parse(&user.arn).ok()?,
            })
        }),
        SessionOf::Role {
            arn,
            session_name,
            policies,
            tags,
            transitive: _,
        } => Arn::parse(arn).ok().map(|role| Principal::Session {
            account: id.clone(),
            role,
            name: session_name.clone(),
            policies: policies.as_ref().map(|all| all.as_slice().into()),
            tags: tags.clone().into_iter().collect::<Vec<_>>().into(),
        }),
    };
    match principal {
        Some(principal) => Key::Issued(Box::new(Holder {
            principal,
            credentials: Credentials {
                access_key_id: session.id.clone(),
                secret_access_key: session.secret.clone(),
                session_token: Some(session.token.clone()),
            },
        })),
        None => Key::Revoked,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::time::Timestamp;
    use store_embedded::Memory;
    use test_kit::{CountingRandom, StoppedClock, function};

    use super::*;

    #[test]
    fn a_key_that_was_revoked_stays_known_as_ours() {
        let clock = StoppedClock::at(Timestamp::from_micros(0));
        let random = Arc::new(CountingRandom::default());
        let service = Service::new(Arc::new(Memory::new()), Arc::new(clock), random);
        let keys = service.issue(&function("f"));
        assert_eq!(keys.access_key_id.len(), 20);
        assert!(matches!(service.find(&keys.access_key_id), Key::Issued(_)));
        service.revoke(&keys.access_key_id);
        assert!(matches!(service.find(&keys.access_key_id), Key::Revoked));
        assert!(matches!(
            service.find("AKIADEVKEYAAAAAAAAAA"),
            Key::Withdrawn
        ));
        assert!(matches!(service.find("ASIAIOSFODNN7EXAMPLE"), Key::Unknown));
        assert!(matches!(service.find("test"), Key::Unknown));
    }
}
