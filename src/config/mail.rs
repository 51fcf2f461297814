//! Mail to customers: by which server, from whom, and when.

use std::path::PathBuf;

use serde::Deserialize;

/// Mail to customers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mail {
    /// The mail server, as `HOST` or `HOST:PORT`; nothing: no mail is sent.
    pub server: Option<String>,
    /// Whether the way to it is inside TLS.
    pub tls: MailTls,
    /// A file with a certificate (PEM) that is believed beside the public ones.
    pub ca_file: Option<PathBuf>,
    /// The account on it.
    pub user: Option<String>,
    /// The file in which its password stands.
    pub password_file: Option<PathBuf>,
    /// Who writes, as `Name <address>`.
    pub from: Option<String>,
    /// Who signs.
    pub shop: String,
    /// Seconds that a customer must send nothing before a mail says what came back.
    pub quiet_seconds: u64,
}

/// Whether the way to the mail server is inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// From the first command on that can be (port 587, or 25).
    Starttls,
    /// From the first byte (port 465).
    Inside,
    /// Not at all; for a mail server on this machine.
    Off,
}

impl Default for Mail {
    fn default() -> Self {
        Mail {
            server: None,
            tls: MailTls::Starttls,
            ca_file: None,
            user: None,
            password_file: None,
            from: None,
            shop: String::new(),
            quiet_seconds: 1800,
        }
    }
}

impl Mail {
    /// Whether mail can be sent so.
    ///
    /// # Errors
    /// When something is missing, or a password would cross a network in clear text.
    pub(super) fn check(&self) -> Result<(), String> {
        let Some(server) = &self.server else { return Ok(()) };
        if self.from.as_deref().is_none_or(str::is_empty) {
            return Err("`mail.from` must say who writes, such as \"The shop <pictures@shop.example>\"".into());
        }
        let host = server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host);
        if self.tls == MailTls::Off && !["localhost", "127.0.0.1", "[::1]"].contains(&host) {
            return Err(format!(
                "`mail.tls` is \"off\" and `mail.server` is `{server}`: only a mail server on this machine may be talked to \
                 without TLS"
            ));
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err("`mail.user` and `mail.password_file` belong together; set both or none".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_leaves_this_machine_inside_tls_only() {
        let mail = |server: &str, tls| Mail {
            server: Some(server.into()),
            tls,
            from: Some("a@b.example".into()),
            ..Mail::default()
        };
        assert_eq!(mail("mail.example", MailTls::Starttls).check(), Ok(()));
        assert_eq!(mail("localhost:25", MailTls::Off).check(), Ok(()));
        assert!(mail("mail.example:25", MailTls::Off).check().is_err());
        assert!(Mail { from: None, ..mail("localhost", MailTls::Off) }.check().is_err());
        assert!(Mail { user: Some("u".into()), ..mail("localhost", MailTls::Off) }.check().is_err());
    }
}
