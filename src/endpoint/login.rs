//! Who may sign in: passwords and public keys, the same for every way in.
//!
//! Passwords are argon2id. At most one run per core goes on at a time and a bounded number waits, so that signing in cannot
//! take the machine's memory; a success is remembered for some minutes as a keyed digest, since clients open many
//! connections. An account that does not exist costs the same time and gets the same answer as a wrong password. Failures are
//! counted in `penalty`. Does not create or change accounts.

mod authorities;
mod penalty;
mod remembered;
pub mod totp;

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use russh::keys::{Certificate, PublicKey};
use tokio::sync::Semaphore;

use super::blocking;
use crate::catalogue::{self, Catalogue, LoginAccount};
use crate::domain::{CustomerId, Micros, UserId};

pub use authorities::{Authorities, AuthoritiesError};
use penalty::Penalties;
pub use penalty::PenaltySettings;
use remembered::{Mark, Remembered};

/// No customer has this id.
const NOBODY: CustomerId = CustomerId(-1);

/// How signing in behaves.
#[derive(Clone, Debug)]
pub struct LoginSettings {
    /// argon2 runs at the same time; each takes about 19 MiB.
    pub parallel: usize,
    /// Sign-ins that may wait for their argon2 run; more are told to come back.
    pub waiting_max: usize,
    /// How long a success spares the next argon2 run.
    pub remember: Duration,
    /// What failures cost.
    pub penalty: PenaltySettings,
    /// Whose certificates open accounts.
    pub authorities: Authorities,
}

impl Default for LoginSettings {
    fn default() -> Self {
        LoginSettings {
            parallel: std::thread::available_parallelism().map_or(1, usize::from),
            waiting_max: 256,
            remember: Duration::from_secs(300),
            penalty: PenaltySettings::default(),
            authorities: Authorities::default(),
        }
    }
}

/// A customer who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Whose files the session sees.
    pub customer: CustomerId,
    /// The account's name.
    pub name: String,
    /// Whether this account is to be used over FTP inside TLS only.
    pub ftp_tls_required: bool,
}

/// Somebody who works for the shop and has signed in to the pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffLogin {
    /// The account.
    pub user: UserId,
    /// The account's name.
    pub name: String,
}

/// Why someone was not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Wrong name, wrong password, wrong key, no such account, account switched off: nobody outside learns which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many failures from this address or for this account.
    #[error("too many failed attempts; try again in some minutes")]
    Banned,
    /// Too many people are signing in at this moment.
    #[error("too many sign-ins at once; try again in a minute")]
    Busy,
    /// The accounts cannot be read.
    #[error("cannot look up accounts: {0}")]
    Catalogue(#[from] catalogue::Error),
}

impl Refused {
    /// Whether the same attempt may succeed later.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Refused::Wrong)
    }
}

/// Signs customers in. One for the whole process, shared by all ways in, so that failures count together.
pub struct Logins {
    catalogue: Arc<Catalogue>,
    settings: LoginSettings,
    runs: Semaphore,
    waiting: AtomicUsize,
    remembered: Remembered,
    penalties: Penalties,
    /// What an account without a password is checked against, so that it costs the same.
    nobody: String,
}

impl Logins {
    /// Makes the doorkeeper. Costs one argon2 run.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(catalogue: Arc<Catalogue>, settings: LoginSettings) -> Result<Self, HashFault> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|source| HashFault(source.to_string()))?;
        Ok(Logins {
            catalogue,
            runs: Semaphore::new(settings.parallel.max(1)),
            waiting: AtomicUsize::new(0),
            nobody: hash_password(&secret)?,
            remembered: Remembered::new(secret, settings.remember),
            penalties: Penalties::new(settings.penalty.clone()),
            settings,
        })
    }

    /// Signs in with a password. A failure answers only after a delay that grows with the failures before it.
    ///
    /// # Errors
    /// Says as little as possible, see [`Refused`].
    pub async fn password(self: &Arc<Self>, name: &[u8], password: &[u8], peer: IpAddr) -> Result<Login, Refused> {
        self.counted(name, peer, self.check(name, password)).await
    }

    /// Signs in somebody who works for the shop. Costs and counts like [`Logins::password`]: a failure here is one more from
    /// that address. The accounts are others than the customers', even under one name.
    ///
    /// # Errors
    /// Says as little as possible, see [`Refused`].
    pub async fn staff(
        self: &Arc<Self>,
        name: &[u8],
        password: &[u8],
        code: &str,
        peer: IpAddr,
    ) -> Result<StaffLogin, Refused> {
        // No customer's name has a slash, so that neither kind of account is ever taken for the other.
        let account = [b"staff/", name].concat();
        self.counted(&account, peer, self.check_staff(&account, name, password, code)).await
    }

    /// What a check says, unless there were too many failures before it. A failure is counted and answered late.
    async fn counted<T>(
        &self,
        account: &[u8],
        peer: IpAddr,
        check: impl Future<Output = Result<Option<T>, Refused>>,
    ) -> Result<T, Refused> {
        if self.penalties.banned(account, peer) {
            tokio::time::sleep(self.settings.penalty.delay).await;
            return Err(Refused::Banned);
        }
        let Some(login) = check.await? else {
            let delay = self.penalties.failed(account, peer);
            tracing::info!(account = %account.escape_ascii(), %peer, "sign-in failed");
            tokio::time::sleep(delay).await;
            return Err(Refused::Wrong);
        };
        self.penalties.succeeded(account, peer);
        Ok(login)
    }

    /// Signs in with a public key whose possession the caller has proven, or is about to. Keys cannot be guessed, and clients
    /// offer several before the right one, so failures cost nothing here.
    ///
    /// # Errors
    /// Says as little as possible, see [`Refused`].
    pub async fn key(self: &Arc<Self>, name: &[u8], key: &PublicKey, peer: IpAddr) -> Result<Login, Refused> {
        if self.penalties.banned(name, peer) {
            return Err(Refused::Banned);
        }
        let Ok(name) = str::from_utf8(name) else { return Err(Refused::Wrong) };
        let (account, lines) = self.account(name).await?;
        match account {
            Some(account) if lines.iter().any(|line| is_same_key(line, key)) => {
                self.penalties.succeeded(name.as_bytes(), peer);
                Ok(login(account, name.to_owned()))
            }
            _ => Err(Refused::Wrong),
        }
    }

    /// Signs in with a certificate whose key the caller has proven possession of.
    ///
    /// # Errors
    /// Says as little as possible, see [`Refused`].
    pub async fn certificate(
        self: &Arc<Self>,
        name: &[u8],
        certificate: &Certificate,
        peer: IpAddr,
    ) -> Result<Login, Refused> {
        if self.penalties.banned(name, peer) {
            return Err(Refused::Banned);
        }
        let Ok(name) = str::from_utf8(name) else { return Err(Refused::Wrong) };
        let vouched = self.settings.authorities.vouch_for(certificate, name);
        match self.account(name).await?.0 {
            Some(account) if vouched => {
                self.penalties.succeeded(name.as_bytes(), peer);
                Ok(login(account, name.to_owned()))
            }
            _ => Err(Refused::Wrong),
        }
    }

    /// Whether any certificate can open an account.
    pub fn takes_certificates(&self) -> bool {
        !self.settings.authorities.is_empty()
    }

    /// The account of that name that may sign in, and its public keys.
    async fn account(self: &Arc<Self>, name: &str) -> Result<(Option<LoginAccount>, Vec<String>), Refused> {
        let (catalogue, wanted) = (Arc::clone(&self.catalogue), name.to_owned());
        let found = blocking(move || {
            catalogue.read(|tx| {
                let account = tx.login_account(&wanted)?.filter(|account| !account.disabled);
                // Keys are looked for even where there is no account, so that it takes as long.
                let lines = tx.login_keys(account.as_ref().map_or(NOBODY, |account| account.customer))?;
                Ok::<_, catalogue::Error>((account, lines))
            })
        });
        Ok(found.await?)
    }

    /// The login when name and password are right, else nothing; costs the same either way unless it is remembered.
    async fn check(self: &Arc<Self>, name: &[u8], password: &[u8]) -> Result<Option<Login>, Refused> {
        let text = str::from_utf8(name).ok().map(str::to_owned);
        let account = match text.clone() {
            Some(name) => {
                let catalogue = Arc::clone(&self.catalogue);
                blocking(move || catalogue.read(|tx| tx.login_account(&name))).await?
            }
            None => None,
        };
        let usable = account.filter(|account| !account.disabled);
        let hash = usable.as_ref().and_then(|account| account.password_hash.clone());
        let right = self.is_right(name, hash, password).await?;
        Ok(usable.zip(text).filter(|_| right).map(|(account, name)| login(account, name)))
    }

    async fn check_staff(
        self: &Arc<Self>,
        account: &[u8],
        name: &[u8],
        password: &[u8],
        code: &str,
    ) -> Result<Option<StaffLogin>, Refused> {
        let (catalogue, wanted) = (Arc::clone(&self.catalogue), str::from_utf8(name).unwrap_or_default().to_owned());
        let user = blocking(move || catalogue.read(|tx| tx.user_named(&wanted))).await?.filter(|user| !user.disabled);
        let right = self.is_right(account, user.as_ref().map(|user| user.password_hash.clone()), password).await?;
        let Some(user) = user.filter(|_| right) else { return Ok(None) };
        if let Some(secret) = &user.totp_secret {
            let Some(step) = totp::step_of(secret, code, Micros::now(), user.totp_used) else { return Ok(None) };
            let (catalogue, id) = (Arc::clone(&self.catalogue), user.id);
            if !blocking(move || catalogue.write(move |tx| tx.user_use_totp(id, step))).await? {
                return Ok(None);
            }
        }
        Ok(Some(StaffLogin { user: user.id, name: user.name }))
    }

    /// Whether the password has this hash; without one it never has, after the same time.
    async fn is_right(&self, account: &[u8], hash: Option<String>, password: &[u8]) -> Result<bool, Refused> {
        let mark = self.remembered.mark(account, hash.as_deref().unwrap_or_default(), password);
        if self.remembered.holds(&mark) {
            return Ok(true);
        }
        let known = hash.is_some();
        let right = self.verify(&mark, hash.unwrap_or_else(|| self.nobody.clone()), password).await? && known;
        if right {
            self.remembered.add(mark);
        }
        Ok(right)
    }

    /// Runs argon2 once a core is free, unless the same sign-in has succeeded on another connection meanwhile.
    async fn verify(&self, mark: &Mark, hash: String, password: &[u8]) -> Result<bool, Refused> {
        let _waiting = Waiting::enter(&self.waiting, self.settings.waiting_max).ok_or(Refused::Busy)?;
        // The semaphore is never closed; if it were, nobody could be checked.
        let _run = self.runs.acquire().await.map_err(|_| Refused::Busy)?;
        if self.remembered.holds(mark) {
            return Ok(true);
        }
        let password = password.to_vec();
        Ok(blocking(move || is_password(&hash, &password)).await)
    }
}

fn login(account: LoginAccount, name: String) -> Login {
    Login { customer: account.customer, name, ftp_tls_required: account.ftp_tls_required }
}

/// Counts one waiting sign-in for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(count);
        (before < max).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A password could not be hashed: the machine has no random bytes or no memory for it.
#[derive(Debug, thiserror::Error)]
#[error("cannot hash the password: {0}")]
pub struct HashFault(String);

/// The argon2id hash of a password as a PHC string, with a fresh salt, for the accounts table.
///
/// # Errors
/// When the machine has no random bytes, or the password is longer than argon2 takes.
pub fn hash_password(password: &[u8]) -> Result<String, HashFault> {
    let hash: Result<argon2::PasswordHash, _> = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(|source| HashFault(source.to_string()))
}

fn is_password(hash: &str, password: &[u8]) -> bool {
    match PasswordHash::new(hash) {
        Ok(parsed) => Argon2::default().verify_password(password, &parsed).is_ok(),
        Err(error) => {
            tracing::error!("a stored password hash cannot be read: {error}; set the password again");
            false
        }
    }
}

fn is_same_key(line: &str, key: &PublicKey) -> bool {
    match PublicKey::from_openssh(line.trim()) {
        Ok(known) => known.key_data() == key.key_data(),
        Err(error) => {
            tracing::warn!("a stored public key cannot be read: {error}; add it again");
            false
        }
    }
}

/// A panic while a lock was held leaves nothing half-done in what these locks guard, so its mark is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn logins(password: Option<&str>, disabled: bool) -> (tempfile::TempDir, Arc<Logins>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalogue.sqlite");
        let catalogue = Catalogue::open(&path).unwrap();
        let hash = password.map(|password| hash_password(password.as_bytes()).unwrap());
        let rows = rusqlite::Connection::open(&path).unwrap();
        rows.execute(
            "INSERT INTO customers (id, name, password_hash, disabled, created_at) VALUES (7, 'anna', ?1, ?2, 0)",
            (hash, disabled),
        )
        .unwrap();
        let settings = LoginSettings {
            penalty: PenaltySettings { delay: Duration::ZERO, account_max: 4, ..PenaltySettings::default() },
            ..LoginSettings::default()
        };
        (dir, Arc::new(Logins::new(Arc::new(catalogue), settings).unwrap()))
    }

    #[tokio::test]
    async fn the_right_password_opens_and_is_remembered() {
        let (_dir, logins) = logins(Some("secret"), false);
        let login = logins.password(b"anna", b"secret", HERE).await.unwrap();
        assert_eq!(login, Login { customer: CustomerId(7), name: "anna".into(), ftp_tls_required: false });
        assert_eq!(logins.remembered.len(), 1);
        assert!(matches!(logins.password(b"anna", b"Secret", HERE).await, Err(Refused::Wrong)));
        logins.password(b"anna", b"secret", HERE).await.unwrap();
        assert_eq!(logins.remembered.len(), 1);
    }

    #[tokio::test]
    async fn staff_and_customers_of_one_name_are_two_accounts() {
        let (dir, logins) = logins(Some("secret"), false);
        let rows = rusqlite::Connection::open(dir.path().join("catalogue.sqlite")).unwrap();
        rows.execute(
            "INSERT INTO users (id, name, role, password_hash, created_at) VALUES (3, 'anna', 'support', ?1, 0)",
            [hash_password(b"desk").unwrap()],
        )
        .unwrap();
        let staff = logins.staff(b"anna", b"desk", "", HERE).await.unwrap();
        assert_eq!(staff, StaffLogin { user: UserId(3), name: "anna".into() });
        logins.password(b"anna", b"secret", HERE).await.unwrap();
        assert!(matches!(logins.staff(b"anna", b"secret", "", HERE).await, Err(Refused::Wrong)));
        assert!(matches!(logins.password(b"anna", b"desk", HERE).await, Err(Refused::Wrong)));
        rows.execute("UPDATE users SET totp_secret = CAST('12345678901234567890' AS BLOB)", []).unwrap();
        for code in ["", "000000x", "12345"] {
            assert!(matches!(logins.staff(b"anna", b"desk", code, HERE).await, Err(Refused::Wrong)));
        }
        let code = totp::tests::code_now();
        assert!(matches!(logins.staff(b"anna", b"wrong", &code, HERE).await, Err(Refused::Wrong)));
        logins.staff(b"anna", b"desk", &code, HERE).await.unwrap();
        assert!(matches!(logins.staff(b"anna", b"desk", &code, HERE).await, Err(Refused::Wrong)), "used");
        rows.execute("UPDATE users SET disabled = 1, totp_secret = NULL", []).unwrap();
        assert!(matches!(logins.staff(b"anna", b"desk", "", HERE).await, Err(Refused::Wrong)));
    }

    #[tokio::test]
    async fn a_changed_password_ends_what_was_remembered() {
        let (dir, logins) = logins(Some("secret"), false);
        logins.password(b"anna", b"secret", HERE).await.unwrap();
        let rows = rusqlite::Connection::open(dir.path().join("catalogue.sqlite")).unwrap();
        rows.execute("UPDATE customers SET password_hash = ?1", [hash_password(b"other").unwrap()]).unwrap();
        assert!(matches!(logins.password(b"anna", b"secret", HERE).await, Err(Refused::Wrong)));
        logins.password(b"anna", b"other", HERE).await.unwrap();
        rows.execute("UPDATE customers SET disabled = 1", []).unwrap();
        assert!(matches!(logins.password(b"anna", b"other", HERE).await, Err(Refused::Wrong)));
    }

    #[tokio::test]
    async fn unknown_disabled_and_passwordless_accounts_look_like_a_wrong_password() {
        for (password, disabled) in [(None, false), (Some("secret"), true)] {
            let (_dir, logins) = logins(password, disabled);
            for (name, password) in [(&b"anna"[..], &b"secret"[..]), (b"anna", b""), (b"nobody", b"x"), (b"\xff", b"x")]
            {
                assert!(matches!(logins.password(name, password, HERE).await, Err(Refused::Wrong)));
            }
        }
    }

    #[tokio::test]
    async fn many_failures_ban_the_account_except_where_its_owner_was_seen() {
        let (_dir, logins) = logins(Some("secret"), false);
        logins.password(b"anna", b"secret", HERE).await.unwrap();
        for last in 1..=4 {
            let stranger = IpAddr::from([198, 51, 100, last]);
            assert!(matches!(logins.password(b"anna", b"guess", stranger).await, Err(Refused::Wrong)));
        }
        let stranger = IpAddr::from([198, 51, 100, 200]);
        assert!(matches!(logins.password(b"anna", b"secret", stranger).await, Err(Refused::Banned)));
        logins.password(b"anna", b"secret", HERE).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let (_dir, logins) = logins(Some("secret"), false);
        let _all = logins.runs.acquire_many(logins.settings.parallel.max(1) as u32).await.unwrap();
        let _full: Vec<_> =
            (0..logins.settings.waiting_max).map(|_| Waiting::enter(&logins.waiting, usize::MAX)).collect();
        assert!(matches!(logins.password(b"anna", b"secret", HERE).await, Err(Refused::Busy)));
    }

    #[tokio::test]
    async fn a_known_public_key_opens() {
        let (dir, logins) = logins(None, false);
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ anna@home";
        let key = PublicKey::from_openssh(line).unwrap();
        assert!(matches!(logins.key(b"anna", &key, HERE).await, Err(Refused::Wrong)));
        let rows = rusqlite::Connection::open(dir.path().join("catalogue.sqlite")).unwrap();
        rows.execute(
            "INSERT INTO customer_keys (id, customer, line, created_at) VALUES (1, 7, 'junk', 0), (2, 7, ?1, 0)",
            [line],
        )
        .unwrap();
        assert_eq!(logins.key(b"anna", &key, HERE).await.unwrap().customer, CustomerId(7));
        assert!(matches!(logins.key(b"bert", &key, HERE).await, Err(Refused::Wrong)));
    }
}
