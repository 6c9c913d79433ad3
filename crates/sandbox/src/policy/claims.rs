//! Ports on which servers like this one listen, known to all of them.
//!
//! Lives here: saying that a port is ours, and whether one is somebody's of us.
//! Does not live here: what is refused because of that (`policy`).
//!
//! A claim is a locked file of the port's name. The lock ends with its process, however that ends, so a file that is left
//! claims nothing.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where the claims of one user's servers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    folder: PathBuf,
}

/// Ports that are ours until it is dropped.
#[derive(Debug)]
pub struct Claim {
    _locked: Vec<File>,
}

impl Claims {
    /// The claims in this folder, which is made when there is something to claim.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Says that these ports are ours. To be called when we listen on them and serve nothing yet.
    ///
    /// # Errors
    /// The folder or a file in it cannot be made.
    pub fn claim(&self, ports: impl IntoIterator<Item = u16>) -> io::Result<Claim> {
        std::fs::create_dir_all(&self.folder)?;
        let locked = ports.into_iter().map(|port| {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(self.file(port))?;
            match file.try_lock() {
                // Another user of this machine's address has it too, as with SO_REUSEPORT: then it is claimed.
                Ok(()) | Err(TryLockError::WouldBlock) => Ok(file),
                Err(TryLockError::Error(error)) => Err(error),
            }
        });
        let _locked = locked.collect::<io::Result<Vec<File>>>()?;
        Ok(Claim { _locked })
    }

    /// Whether a server like this one listens there now.
    pub(super) fn holds(&self, port: u16) -> bool {
        let Ok(file) = File::open(self.file(port)) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    fn file(&self, port: u16) -> PathBuf {
        self.folder.join(port.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_claimed_for_as_long_as_its_server_lives() {
        let folder = tempfile::tempdir().unwrap();
        let claims = Claims::in_folder(&folder.path().join("ports"));
        assert!(!claims.holds(4566));
        let claim = claims.claim([3000, 4566]).unwrap();
        assert!(claims.holds(3000) && claims.holds(4566));
        assert!(!claims.holds(5432));
        drop(claim);
        assert!(!claims.holds(3000) && !claims.holds(4566));
    }
}
