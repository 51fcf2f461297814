//! The address that FTP clients are told for their data connections, where the server has one outside and one inside.
//!
//! A client that is beside the server is told the address that it has reached; every other one the address outside. That
//! may be a name, for lines whose address changes: it is looked up when somebody asks, and remembered for a minute.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::networks::Networks;

/// How long an answer of the name service is used.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How long the name service may take; the client waits meanwhile.
const LOOKUP_WAIT: Duration = Duration::from_secs(5);

/// What the server is known as outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// An address.
    Address(IpAddr),
    /// A name, whose IPv4 address it is.
    Name(String),
}

impl FromStr for Outside {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Outside::Name(text.to_owned()), Outside::Address))
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outside::Address(address) => address.fmt(formatter),
            Outside::Name(name) => name.fmt(formatter),
        }
    }
}

/// Who is told what. Cheap to clone; clones remember together.
#[derive(Clone, Debug)]
pub struct PublicAddress {
    outside: Outside,
    near: Networks,
    remembered: Arc<Mutex<Option<(Instant, Ipv4Addr)>>>,
}

impl PublicAddress {
    /// `outside` for everybody but clients of the networks `near`.
    pub fn new(outside: Outside, near: Networks) -> Self {
        PublicAddress { outside, near, remembered: Arc::default() }
    }

    /// What `client`, who has reached the server at `reached`, is told.
    ///
    /// # Errors
    /// When the name service does not know the name, or takes too long.
    pub async fn told(&self, client: IpAddr, reached: Ipv4Addr) -> io::Result<Ipv4Addr> {
        if self.near.contains(client) {
            return Ok(reached);
        }
        match &self.outside {
            Outside::Address(address) => match address.to_canonical() {
                IpAddr::V4(address) => Ok(address),
                IpAddr::V6(_) => Ok(reached),
            },
            Outside::Name(name) => self.look_up(name).await,
        }
    }

    async fn look_up(&self, name: &str) -> io::Result<Ipv4Addr> {
        // What is kept under this lock is one value, whole at any time.
        let remembered = *self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, address)) = remembered
            && at.elapsed() < REMEMBERED
        {
            return Ok(address);
        }
        let found = match tokio::time::timeout(LOOKUP_WAIT, tokio::net::lookup_host((name, 0))).await {
            Ok(found) => found?.find_map(|found| match found.ip().to_canonical() {
                IpAddr::V4(address) => Some(address),
                IpAddr::V6(_) => None,
            }),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        let address = found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no IPv4 address"))?;
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), address));
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACHED: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);

    fn public(outside: &str) -> PublicAddress {
        PublicAddress::new(outside.parse().unwrap(), Networks::private())
    }

    #[tokio::test]
    async fn who_is_near_is_told_what_they_reached() {
        let public = public("203.0.113.7");
        let (near, far) = (IpAddr::from([192, 168, 1, 9]), IpAddr::from([198, 51, 100, 1]));
        assert_eq!(public.told(near, REACHED).await.unwrap(), REACHED);
        assert_eq!(public.told(far, REACHED).await.unwrap(), Ipv4Addr::new(203, 0, 113, 7));
    }

    #[tokio::test]
    async fn a_name_is_looked_up_and_one_without_address_is_a_fault() {
        let far = IpAddr::from([198, 51, 100, 1]);
        let public = public("localhost");
        assert_eq!(public.told(far, REACHED).await.unwrap(), Ipv4Addr::LOCALHOST);
        assert!(public.remembered.lock().unwrap().is_some());
        // No name has an empty part.
        assert!(self::public("no..name").told(far, REACHED).await.is_err());
    }
}
