//! The pages: where they are served, and under which address people find them.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use serde::Deserialize;

use super::lists::{networks, parsed, several, word};
use crate::domain::Zone;
use crate::networks::Networks;

/// The pages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Web {
    /// Where they are served; other addresses than loopback need `tls` or `proxy_from`.
    pub listen: SocketAddr,
    /// Whether they are inside TLS, with the server's certificate.
    pub tls: bool,
    /// The address at which people find them, such as `https://pictures.example.net`.
    #[serde(deserialize_with = "parsed")]
    pub public_address: Option<PublicPages>,
    /// Proxies in front, which have the TLS of the outside and say in `X-Forwarded-For` for whom they ask.
    #[serde(deserialize_with = "networks")]
    pub proxy_from: Networks,
    /// The port that customers are told for FTP, where it is another one outside; 0 = that of the listener.
    pub ftp_port: u16,
    /// The same for SFTP.
    pub sftp_port: u16,
    /// Origins whose pages may show a customer's missing pictures in a frame, such as `https://shop.example`.
    #[serde(deserialize_with = "several")]
    pub embed_origins: Vec<Origin>,
    /// By whose clock the pages say times, such as `Europe/Berlin`.
    #[serde(deserialize_with = "word")]
    pub time_zone: Zone,
    /// From where the numbers for monitoring may be read without a token.
    #[serde(deserialize_with = "networks")]
    pub metrics_from: Networks,
}

impl Default for Web {
    fn default() -> Self {
        Web {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            tls: false,
            public_address: None,
            proxy_from: Networks::default(),
            ftp_port: 0,
            sftp_port: 0,
            embed_origins: Vec::new(),
            time_zone: Zone::default(),
            metrics_from: Networks::default(),
        }
    }
}

impl Web {
    /// The address at which people find the pages, without a slash at its end.
    pub fn address(&self) -> String {
        match &self.public_address {
            Some(public) => public.to_string(),
            None => format!("{}://{}", if self.tls { "https" } else { "http" }, self.listen),
        }
    }

    /// Whether they may be served so.
    ///
    /// # Errors
    /// When passwords and pictures would cross a network in clear text, or nobody outside could be told from a stranger.
    pub fn check(&self) -> Result<(), String> {
        let inside = self.listen.ip().to_canonical().is_loopback();
        if !inside && !self.tls && self.proxy_from.is_empty() {
            return Err(format!(
                "the pages cannot listen on {} without TLS: set `web.tls`, name the proxies in front in `web.proxy_from`, \
                 or use 127.0.0.1 or [::1]",
                self.listen
            ));
        }
        if self.public_address.is_none() && (!inside || !self.proxy_from.is_empty()) {
            return Err("`web.public_address` must say at which address people find the pages, such as \
                 \"https://pictures.example.net\", since browsers are let in under that name alone"
                .into());
        }
        Ok(())
    }
}

/// `https://HOST` or `https://HOST:PORT`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPages {
    /// Host and port as browsers write them: in small letters, without the port that is the scheme's own.
    pub host: String,
}

impl fmt::Display for PublicPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.host)
    }
}

impl FromStr for PublicPages {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("https://").ok_or("it must begin with https://")?;
        let host = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        let host = host.strip_suffix(":443").unwrap_or(&host);
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]_".contains(letter);
        if host.is_empty() || !host.chars().all(is_letter) {
            return Err(
                "behind https:// only a host name and a port may stand, such as https://pictures.example.net:8443",
            );
        }
        Ok(PublicPages { host: host.to_owned() })
    }
}

/// Scheme, host and port, as browsers name where a page comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, host) = text.split_once("://").ok_or("write an origin, such as https://shop.example")?;
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-.:[]_".contains(letter);
        let here = host.starts_with("localhost:") || host.starts_with("127.0.0.1:");
        if !(scheme == "https" || scheme == "http" && here) {
            return Err("it must begin with https://; http:// is for pages on this machine");
        }
        if host.is_empty() || !host.chars().all(is_letter) {
            return Err("behind https:// only a host name and a port may stand, such as https://shop.example:8443");
        }
        Ok(Origin(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_never_cross_a_network_in_clear_text() {
        let web = |listen: &str, tls, public: Option<&str>, proxies: &[&str]| {
            let web = Web {
                listen: listen.parse().unwrap(),
                tls,
                public_address: public.map(|text| text.parse().unwrap()),
                proxy_from: Networks::new(proxies.iter().map(|text| text.parse().unwrap()).collect()),
                ..Web::default()
            };
            web.check()
        };
        let public = Some("https://pictures.example.net");
        for address in ["127.0.0.1:8080", "[::1]:0", "127.8.8.8:1", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(web(address, false, None, &[]), Ok(()), "{address}");
        }
        for address in ["0.0.0.0:8080", "[::]:8080", "192.168.1.1:80", "[2001:db8::1]:80", "[::ffff:10.0.0.1]:80"] {
            assert!(web(address, false, public, &[]).is_err(), "{address}");
            assert!(web(address, true, None, &[]).is_err(), "{address} without a name");
            assert_eq!(web(address, true, public, &[]), Ok(()));
            assert_eq!(web(address, false, public, &["10.0.0.0/8"]), Ok(()));
        }
        assert!(web("127.0.0.1:8080", false, None, &["127.0.0.1"]).is_err(), "a proxy without a name");
    }

    #[test]
    fn an_origin_has_no_path_and_no_wildcard() {
        for good in ["https://shop.example", "https://shop.example:8443", "http://localhost:3000"] {
            assert_eq!(good.parse::<Origin>().unwrap().to_string(), good);
        }
        for bad in [
            "*",
            "https://*",
            "https://*.shop.example",
            "http://shop.example",
            "https://shop.example/",
            "shop.example",
            "https://",
            "https://a; script-src *",
            "https://a https://b",
        ] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        for (text, host) in [
            ("https://Pictures.example.net", "pictures.example.net"),
            ("https://pictures.example.net:443/", "pictures.example.net"),
            ("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ] {
            assert_eq!(text.parse::<PublicPages>().unwrap().host, host);
        }
        for bad in
            ["http://a.example", "a.example", "https://", "https://a.example/pages", "https://a b", "https://u@h"]
        {
            assert!(bad.parse::<PublicPages>().is_err(), "{bad}");
        }
    }
}
