//! Webhooks: what was put back and taken away, told to the shop's programs over HTTP.
//!
//! A delivery is a POST of JSON, signed with the secret that both sides know over the moment and the body, so that nobody else can
//! tell the shop anything, nor tell it again later. Whatever is not answered with 2xx is sent again with growing pauses, for
//! as long as it takes. Deliveries about one record go in their order; others do not wait for them. One that was taken while
//! the server ended is sent again: its number is the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ring::hmac;

use crate::catalogue::{self, Catalogue, Delivery, Webhook};
use crate::domain::Micros;

/// How long a receiver may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Deliveries to one receiver before the others get their turn.
const ROUND: i64 = 50;

/// The pause after the first failure, in seconds; it doubles each time...
const PAUSE_SECONDS: i64 = 2;

/// ... up to this many times: a bit more than an hour.
const DOUBLINGS_MAX: i64 = 11;

/// Of an answer that refuses, how many characters are kept.
const SAID_MAX: usize = 200;

/// Who sends.
pub struct Client(ureq::Agent);

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    /// The receiver took it.
    Taken,
    /// It does not want this one, with what it said.
    Refused(String),
    /// It is not there, or cannot take anything now; with the reason.
    Away(String),
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Client {
    /// A client that follows no redirects: a delivery is for the address that was named, and for no other.
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_MAX))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("reunite/", env!("CARGO_PKG_VERSION")))
            .build();
        Client(config.into())
    }

    /// Sends one delivery.
    pub fn send(&self, webhook: &Webhook, delivery: &Delivery) -> Sent {
        let seconds = Micros::now().0.div_euclid(1_000_000);
        let request = self
            .0
            .post(&webhook.url)
            .header("Content-Type", "application/json")
            .header("Reunite-Event", &delivery.event)
            .header("Reunite-Delivery", delivery.id.to_string())
            .header("Reunite-Signature", signature(&webhook.secret, seconds, &delivery.body));
        match request.send(&delivery.body) {
            Err(error) => Sent::Away(error.to_string()),
            Ok(mut answer) => {
                let status = answer.status();
                if status.is_success() {
                    return Sent::Taken;
                }
                let said = answer.body_mut().with_config().limit(16 << 10).read_to_string().unwrap_or_default();
                let said: String = said.trim().chars().take(SAID_MAX).collect();
                let why = format!("it answered {status}{}{said}", if said.is_empty() { "" } else { ": " });
                // Too many at once, or a fault of its own, is about the receiver and not about this delivery.
                match status.as_u16() {
                    429 | 500.. => Sent::Away(why),
                    _ => Sent::Refused(why),
                }
            }
        }
    }
}

/// What proves that a body is ours and when it was sent: `t=SECONDS,v1=HMAC`, where HMAC is HMAC-SHA256 of `SECONDS.BODY` in
/// hexadecimal.
pub fn signature(secret: &str, seconds: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{seconds}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

/// Tells every program what it can be told now, each beside the others.
///
/// # Errors
/// When the catalogue fails.
pub(super) fn deliver_due(
    catalogue: &Catalogue,
    client: &Client,
    stopping: &AtomicBool,
) -> Result<(), catalogue::Error> {
    let now = Micros::now();
    let due: Vec<(Webhook, Vec<Delivery>)> = catalogue.read(|tx| -> Result<_, catalogue::Error> {
        let ready = tx.webhooks()?.into_iter().filter(|webhook| webhook.waiting > 0 && webhook.retry_at <= now);
        ready
            .map(|webhook| {
                let deliveries = tx.deliveries_due(&webhook.name, now, ROUND)?;
                Ok((webhook, deliveries))
            })
            .collect()
    })?;
    std::thread::scope(|scope| {
        let rounds: Vec<_> = due
            .iter()
            .map(|(webhook, deliveries)| scope.spawn(|| round(catalogue, client, webhook, deliveries, stopping)))
            .collect();
        // A panic in one of them goes on in the thread that tells, whose end is then seen in the log.
        rounds.into_iter().try_for_each(|round| round.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn round(
    catalogue: &Catalogue,
    client: &Client,
    webhook: &Webhook,
    deliveries: &[Delivery],
    stopping: &AtomicBool,
) -> Result<(), catalogue::Error> {
    for delivery in deliveries {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        let (name, id, attempts) = (webhook.name.clone(), delivery.id, delivery.attempts);
        match client.send(webhook, delivery) {
            Sent::Taken => catalogue.write(move |tx| tx.delivered(&name, id, Micros::now()))?,
            Sent::Refused(why) => {
                tracing::warn!(webhook = name, delivery = id, "{why}");
                catalogue.write(move |tx| tx.delivery_refused(&name, id, &why, after(attempts)))?;
            }
            Sent::Away(why) => {
                tracing::warn!(webhook = name, "{why}");
                let attempts = webhook.attempts;
                catalogue.write(move |tx| tx.webhook_away(&name, &why, after(attempts)))?;
                break;
            }
        }
    }
    Ok(())
}

/// When it is tried again after so many failures before this one.
fn after(attempts: i64) -> Micros {
    Micros::now().plus_seconds(PAUSE_SECONDS << attempts.clamp(0, DOUBLINGS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_rfc_2104() {
        // The value is what `printf '1700000000.{}' | openssl dgst -sha256 -hmac secret` prints.
        let expected = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(signature("secret", 1_700_000_000, "{}"), format!("t=1700000000,v1={expected}"));
    }
}
