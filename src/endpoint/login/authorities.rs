//! Authorities whose OpenSSH certificates open accounts: the keys in `keys/user_ca.pub`, as OpenSSH's TrustedUserCAKeys.
//!
//! A certificate opens the account that one of its principals names. One without principals, for hosts, out of its time,
//! or with a critical option opens nothing: none of the options has a meaning here that could be kept. Owns no account.

use std::io;
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::Fingerprint;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg, PublicKey};

/// Whose certificates are believed; by default nobody's.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<Fingerprint>);

/// Why the authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// The file cannot be read.
    #[error("cannot read the authorities `{path}`: {source}; run as the owner of the data folder")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is no public key.
    #[error("line {line} of `{path}` is no OpenSSH public key ({source}); it looks like `ssh-ed25519 AAAA...`")]
    Format {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        source: russh::keys::ssh_key::Error,
    },
}

impl Authorities {
    /// The keys in the file at `path`, one a line; none when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is no key.
    pub fn load(path: &Path) -> Result<Self, AuthoritiesError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Authorities::default()),
            Err(source) => return Err(AuthoritiesError::Read { path: path.to_owned(), source }),
        };
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(line, text)| {
            let format = |source| AuthoritiesError::Format { path: path.to_owned(), line, source };
            Ok(PublicKey::from_openssh(text).map_err(format)?.fingerprint(HashAlg::Sha256))
        });
        keys.collect::<Result<_, _>>().map(Authorities)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `certificate` opens the account `name`. That its holder has the key is for the caller to know.
    pub fn vouch_for(&self, certificate: &Certificate, name: &str) -> bool {
        let fault = if certificate.cert_type() != CertType::User {
            "it is no user's"
        } else if !certificate.valid_principals().iter().any(|principal| principal == name) {
            "the account is none of its principals"
        } else if !certificate.critical_options().is_empty() {
            "it has critical options, which are not done here"
        } else if certificate.validate(&self.0).is_err() {
            "its time is not now, or none of the authorities has signed it"
        } else {
            return true;
        };
        tracing::info!(account = %name.escape_debug(), key_id = %certificate.key_id().escape_debug(), "certificate refused: {fault}");
        false
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::{Algorithm, PrivateKey};

    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
    }

    /// A certificate for anna.
    fn certificate(authority: &PrivateKey, kind: CertType, hours: (i64, i64), option: Option<&str>) -> Certificate {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let [from, to] = [hours.0, hours.1].map(|hours| now.checked_add_signed(hours * 3600).unwrap());
        let mut builder = Builder::new_with_random_nonce(&mut safe_rng(), key().public_key(), from, to).unwrap();
        builder.cert_type(kind).unwrap();
        builder.key_id("test").unwrap();
        builder.valid_principal("anna").unwrap();
        if let Some(option) = option {
            builder.critical_option(option, "192.0.2.0/24").unwrap();
        }
        builder.sign(authority).unwrap()
    }

    #[test]
    fn a_certificate_opens_the_account_it_names_while_it_is_valid() {
        let (authority, other) = (key(), key());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user_ca.pub");
        assert!(Authorities::load(&path).unwrap().is_empty());
        let line = authority.public_key().to_openssh().unwrap();
        std::fs::write(&path, format!("# the shop's\n\n{line} ca@shop\n")).unwrap();
        let authorities = Authorities::load(&path).unwrap();

        let now = (-1, 1);
        let good = certificate(&authority, CertType::User, now, None);
        assert!(authorities.vouch_for(&good, "anna"));
        assert!(!authorities.vouch_for(&good, "berta"));
        assert!(!Authorities::default().vouch_for(&good, "anna"));
        for (bad, why) in [
            (certificate(&other, CertType::User, now, None), "nobody believes who signed it"),
            (certificate(&authority, CertType::User, (-2, -1), None), "it is over"),
            (certificate(&authority, CertType::User, (1, 2), None), "it has not begun"),
            (certificate(&authority, CertType::Host, now, None), "it is a server's"),
            (certificate(&authority, CertType::User, now, Some("source-address")), "what is critical is not kept here"),
        ] {
            assert!(!authorities.vouch_for(&bad, "anna"), "{why}");
        }
    }

    #[test]
    fn a_file_that_holds_something_else_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("user_ca.pub");
        std::fs::write(&path, "\nnonsense\n").unwrap();
        let fault = Authorities::load(&path).unwrap_err().to_string();
        assert!(fault.contains("line 2 of") && fault.contains("user_ca.pub"), "{fault}");
    }
}
