//! The server's own SSH keys: made at the first start, read at every later one.
//!
//! Keys lie in the folder `keys/` of the data folder, readable by the owner alone, in OpenSSH's format, so that
//! `ssh-keygen` can show them and a shop that moves its old server here can bring its keys along. Ed25519, ECDSA and RSA,
//! which old clients need, are made when absent.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::RsaKeypair;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PrivateKey};

/// Each kind of key: its file and its algorithm.
const KINDS: [(&str, Algorithm); 3] = [
    ("host_ed25519", Algorithm::Ed25519),
    ("host_ecdsa", Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }),
    ("host_rsa", Algorithm::Rsa { hash: None }),
];

/// The length of an RSA key; what OpenSSH makes.
const RSA_BITS: usize = 3072;

/// Why the host keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// The file cannot be read.
    #[error("cannot read the host key `{path}`: {source}; run as the owner of the data folder")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the host key `{path}`: {source}; make the folder writable for the owner of the data folder")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not a certificate.
    #[error("`{path}` is not a usable host certificate: {source}; make it again with `ssh-keygen -s`, or remove it")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: russh::keys::ssh_key::Error,
    },
    /// The file is not a key of the kind that its name says, or it is encrypted.
    #[error("`{path}` is not a usable host key: {source}; restore it, or remove it to have a new one made")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: russh::keys::ssh_key::Error,
    },
}

/// The host keys in `folder`, strongest first. Those that are absent are made; RSA takes a second or so.
///
/// # Errors
/// When a key cannot be read, made or written, or is not a key of its kind.
pub fn load_or_make(folder: &Path) -> Result<Vec<PrivateKey>, HostKeyError> {
    let mut keys = Vec::new();
    for (name, algorithm) in KINDS {
        let path = folder.join(name);
        match std::fs::read(&path) {
            Ok(text) => keys.push(parse(&path, &text, &algorithm)?),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
                keys.push(make(folder, &path, algorithm)?);
            }
            Err(source) => return Err(HostKeyError::Read { path, source }),
        }
    }
    Ok(keys)
}

/// The host certificates in `folder`: what `ssh-keygen -s CA -h` made of the public keys, each beside its key and named
/// like it with `-cert.pub` behind. With them clients that trust the authority ask nothing at the first connection.
///
/// # Errors
/// When one cannot be read or is none.
pub fn load_certificates(folder: &Path) -> Result<Vec<Certificate>, HostKeyError> {
    let mut certificates = Vec::new();
    for (name, _) in KINDS {
        let path = folder.join(format!("{name}-cert.pub"));
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let certificate = Certificate::from_openssh(text.trim());
                certificates.push(certificate.map_err(|source| HostKeyError::Certificate { path, source })?);
            }
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(HostKeyError::Read { path, source }),
        }
    }
    Ok(certificates)
}

/// The fingerprint that clients show for `key`, such as `SHA256:...`.
pub fn fingerprint(key: &PrivateKey) -> String {
    key.public_key().fingerprint(HashAlg::Sha256).to_string()
}

fn parse(path: &Path, text: &[u8], algorithm: &Algorithm) -> Result<PrivateKey, HostKeyError> {
    let usable = |key: PrivateKey| {
        if key.is_encrypted() {
            return Err(russh::keys::ssh_key::Error::Encrypted);
        }
        if std::mem::discriminant(&key.algorithm()) != std::mem::discriminant(algorithm) {
            return Err(russh::keys::ssh_key::Error::AlgorithmUnknown);
        }
        Ok(key)
    };
    PrivateKey::from_openssh(text)
        .and_then(usable)
        .map_err(|source| HostKeyError::Format { path: path.to_owned(), source })
}

fn make(folder: &Path, path: &Path, algorithm: Algorithm) -> Result<PrivateKey, HostKeyError> {
    let format = |source| HostKeyError::Format { path: path.to_owned(), source };
    let random = &mut russh::keys::key::safe_rng();
    let made = match algorithm {
        Algorithm::Rsa { .. } => RsaKeypair::random(random, RSA_BITS).map(PrivateKey::from),
        _ => PrivateKey::random(random, algorithm),
    };
    let mut key = made.map_err(format)?;
    key.set_comment("reunite");
    let text = key.to_openssh(LineEnding::LF).map_err(format)?;
    write_whole(folder, path, text.as_bytes())
        .map_err(|source| HostKeyError::Write { path: path.to_owned(), source })?;
    Ok(key)
}

/// A key that is half written would keep the server from starting, so it appears under its name only once it is whole.
fn write_whole(folder: &Path, path: &Path, text: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn keys_are_made_once_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let made = load_or_make(folder.path()).unwrap();
        let read = load_or_make(folder.path()).unwrap();
        let fingerprints = |keys: &[PrivateKey]| keys.iter().map(fingerprint).collect::<Vec<_>>();
        assert_eq!(fingerprints(&made), fingerprints(&read));
        assert_eq!(made.len(), 3);
        for name in ["host_ed25519", "host_ecdsa", "host_rsa"] {
            let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_damaged_key_is_named_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("host_ed25519");
        std::fs::write(&path, "not a key").unwrap();
        let fault = load_or_make(folder.path()).unwrap_err();
        assert!(fault.to_string().contains("host_ed25519"), "{fault}");
        assert_eq!(std::fs::read(&path).unwrap(), b"not a key");
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        load_or_make(folder.path()).unwrap();
        std::fs::rename(folder.path().join("host_ecdsa"), folder.path().join("host_ed25519")).unwrap();
        assert!(matches!(load_or_make(folder.path()), Err(HostKeyError::Format { .. })));
    }
}
