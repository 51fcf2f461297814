//! The ways in: FTP, FTPS, SFTP, the watched folder, the browser.
//!
//! Every way in signs a customer in by `login`, shares the caps of `limits` and the loop of `accept`, sees the customer's files
//! through `tree` and delivers them through `spool`. Nothing here matches pictures, spells a path on this machine or holds
//! SQL.

pub mod accept;
pub mod browser;
pub mod digests;
pub mod folder;
pub mod ftp;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod limits;
pub mod login;
mod ls;
pub mod proxy;
pub mod public_address;
pub mod sftp;
pub mod tls;

/// Runs blocking work beside the runtime; its panic becomes the caller's.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// What blocking work that was begun earlier came to; its panic becomes the caller's.
pub(crate) async fn joined<T>(work: tokio::task::JoinHandle<T>) -> T {
    match work.await {
        Ok(value) => value,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is being torn down cancels blocking work, and it polls no caller again.
            Err(_) => std::future::pending().await,
        },
    }
}
