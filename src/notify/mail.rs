//! Mail to customers: what came back, what is missing, and that their pictures are being looked at.
//!
//! At most one a day and customer, and only when something has changed: once a customer has stopped sending and everything is
//! decided, when deciding takes long, or when it is announced that what stays missing is given up. Each says how to get none, and mail programs have a button for it (RFC 8058).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use askama::Template;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use crate::catalogue::{self, Catalogue, CustomerCounts, Mailing, Marks, News};
use crate::config::{Mail, MailTls, Retire};
use crate::domain::{Civil, CustomerId, Language, Micros};
use crate::retiring;

/// The shortest time between two mails to one customer, in seconds.
const DAY_SECONDS: i64 = 24 * 3600;

/// How long files wait undecided before a mail says that they are being looked at, in seconds.
const LONG_SECONDS: i64 = 3600;

/// How long the mail server may take for a step.
const STEP_MAX: Duration = Duration::from_secs(20);

/// The pause after a mail that could not be sent; it doubles each time, up to the other.
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(3600);

/// It is looked for something to tell no more often than this, and without a commit no more often than the other.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_IDLE: Duration = Duration::from_secs(60);

/// Of whom there was nothing to tell is looked at again after this, whatever is there of them.
const SILENT: Duration = Duration::from_secs(600);

/// Why there is no mail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// An address is none.
    #[error("`{0}` is no mail address: {1}")]
    Address(String, lettre::address::AddressError),
    /// The mail could not be put together.
    #[error("the mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    /// The text could not be made of its template.
    #[error("the mail's text cannot be made: {0}")]
    Text(#[from] askama::Error),
    /// The mail server did not take it.
    #[error("the mail server did not take it: {0}")]
    Smtp(#[from] lettre::transport::smtp::Error),
    /// A file that settings name cannot be read.
    #[error("cannot read `{0}`: {1}")]
    File(String, std::io::Error),
}

/// Who sends mail.
pub struct Postman {
    transport: SmtpTransport,
    from: Mailbox,
    shop: String,
    /// At which address people find the pages.
    pages: String,
    quiet_seconds: i64,
    /// How long before anything is given up it has to be told.
    retire: Retire,
    /// Customers to whom a mail could not be sent: not before this, and the pause after that.
    failed: HashMap<CustomerId, (Instant, Duration)>,
    /// Customers of whom there was nothing to tell, what was there of them then, and when.
    silent: HashMap<CustomerId, (Marks, Instant)>,
    /// When it was looked last, and at which version of the catalogue.
    looked: Option<(i64, Instant)>,
}

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Files are being looked at.
    Looking,
    /// All that came is decided.
    Decided,
    /// Nothing came; what stays missing is going to be given up.
    Announced,
}

/// A mail's text, in one language and form.
struct Text {
    looking: bool,
    /// Nothing came, and the mail is about what is announced alone.
    announced: bool,
    /// Missing records that are going to be given up, and when.
    retiring: i64,
    retire_at: Micros,
    name: String,
    customer: i64,
    /// What came back since the last mail.
    new: i64,
    records: i64,
    returned: i64,
    missing: i64,
    address: String,
    switch: String,
    shop: String,
}

macro_rules! texts {
    ($($name:ident $path:literal;)*) => {$(
        #[derive(Template)]
        #[template(path = $path, config = "src/notify/askama.toml")]
        struct $name<'a> {
            looking: bool,
            announced: bool,
            retiring: i64,
            day: String,
            name: &'a str,
            customer: i64,
            new: i64,
            records: i64,
            returned: i64,
            missing: i64,
            address: &'a str,
            switch: &'a str,
            shop: &'a str,
        }

        impl<'a> $name<'a> {
            fn of(text: &'a Text, language: Language) -> Self {
                $name {
                    looking: text.looking,
                    announced: text.announced,
                    retiring: text.retiring,
                    day: Civil::from(text.retire_at).day_in_words(language),
                    name: &text.name,
                    customer: text.customer,
                    new: text.new,
                    records: text.records,
                    returned: text.returned,
                    missing: text.missing,
                    address: &text.address,
                    switch: &text.switch,
                    shop: &text.shop,
                }
            }
        }
    )*};
}

texts! {
    EnglishText "mail.en.txt";
    EnglishPage "mail.en.html";
    GermanText "mail.de.txt";
    GermanPage "mail.de.html";
}

impl Text {
    /// Subject, plain text and page.
    fn written(&self, language: Language) -> Result<(String, String, String), askama::Error> {
        let (text, page) = match language {
            Language::English => (EnglishText::of(self, language).render()?, EnglishPage::of(self, language).render()?),
            Language::German => (GermanText::of(self, language).render()?, GermanPage::of(self, language).render()?),
        };
        let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
        Ok((subject.trim().to_owned(), text.trim_start().to_owned(), page))
    }
}

macro_rules! headers {
    ($($(#[$doc:meta])* $name:ident $word:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        struct $name(String);

        impl Header for $name {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($word)
            }

            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok($name(text.to_owned()))
            }

            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    )*};
}

headers! {
    /// Where mail programs switch mail off.
    Unsubscribe "List-Unsubscribe";
    /// That they may do so by a request of their own.
    UnsubscribePost "List-Unsubscribe-Post";
    /// That a program writes, so that nobody's absence is answered to it.
    AutoSubmitted "Auto-Submitted";
}

/// Whether a text is an address that mail can go to.
///
/// # Errors
/// When it is none.
pub fn check_address(text: &str) -> Result<(), Error> {
    let parsed: Result<Mailbox, _> = text.parse();
    parsed.map(|_| ()).map_err(|fault| Error::Address(text.to_owned(), fault))
}

impl Postman {
    /// A postman for these settings, or none where they name no mail server. `pages` is where people find the pages.
    ///
    /// # Errors
    /// When the settings cannot be carried out.
    pub fn new(settings: &Mail, retire: &Retire, pages: &str) -> Result<Option<Self>, Error> {
        let Some(server) = &settings.server else { return Ok(None) };
        let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
        let from = settings.from.clone().unwrap_or_default();
        let from: Mailbox = from.parse().map_err(|fault| Error::Address(from.clone(), fault))?;
        let read = |path: &std::path::Path| {
            std::fs::read(path).map_err(|error| Error::File(path.display().to_string(), error))
        };
        let mut parameters = TlsParameters::builder(host.to_owned());
        if let Some(path) = &settings.ca_file {
            parameters = parameters.add_root_certificate(Certificate::from_pem(&read(path)?)?);
        }
        let mut transport = SmtpTransport::builder_dangerous(host).timeout(Some(STEP_MAX));
        transport = match settings.tls {
            MailTls::Starttls => transport.port(587).tls(Tls::Required(parameters.build()?)),
            MailTls::Inside => transport.port(465).tls(Tls::Wrapper(parameters.build()?)),
            MailTls::Off => transport.port(25),
        };
        if let Ok(port) = port.parse() {
            transport = transport.port(port);
        }
        if let Some(user) = &settings.user {
            let password = match &settings.password_file {
                Some(path) => String::from_utf8_lossy(&read(path)?).trim_end().to_owned(),
                None => String::new(),
            };
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Some(Postman {
            transport: transport.build(),
            from,
            shop: settings.shop.clone(),
            pages: pages.to_owned(),
            quiet_seconds: settings.quiet_seconds as i64,
            retire: retire.clone(),
            failed: HashMap::new(),
            silent: HashMap::new(),
            looked: None,
        }))
    }

    /// Sends whatever is due. Of one that could not be sent the reason is noted, and it is tried again later.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub(super) fn send_due(&mut self, catalogue: &Catalogue, stopping: &AtomicBool) -> Result<(), catalogue::Error> {
        let version = catalogue.data_version()?;
        let pause = |before| if before == version { LOOK_IDLE } else { LOOK };
        if self.looked.is_some_and(|(before, at)| at.elapsed() < pause(before)) {
            return Ok(());
        }
        self.looked = Some((version, Instant::now()));
        let now = Micros::now();
        for mailing in catalogue.read(|tx| tx.mailings_due(now.plus_seconds(-DAY_SECONDS)))? {
            let waits = self.failed.get(&mailing.customer).is_some_and(|(not_before, _)| Instant::now() < *not_before);
            if waits || stopping.load(Ordering::SeqCst) {
                continue;
            }
            let customer = mailing.customer;
            let marks = catalogue.read(|tx| tx.news_marks(customer))?;
            if self.silent.get(&customer).is_some_and(|(known, at)| *known == marks && at.elapsed() < SILENT) {
                continue;
            }
            let since = mailing.mailed_at.map_or(mailing.since, |at| at.max(mailing.since));
            let (news, counts) = catalogue.read(|tx| -> Result<_, catalogue::Error> {
                Ok((tx.news(customer, since)?, tx.page_customer(customer)?))
            })?;
            if news.received == 0 && news.returned == 0 && news.unmailed() == 0 {
                self.silent.insert(customer, (marks, Instant::now()));
                continue;
            }
            let (Some(occasion), Some(counts)) = (worth_telling(&news, now, self.quiet_seconds), counts) else {
                continue;
            };
            let (begun, not_before) = (mailing.clone(), retiring::not_before(now, &self.retire));
            let announced = catalogue.write(move |tx| -> Result<_, catalogue::Error> {
                if !tx.mail_begin(&begun, now)? {
                    return Ok(None);
                }
                // Whatever moment was announced: it is told now, and the time runs from now.
                tx.announcing_by_mail(customer, not_before)?;
                Ok(Some(tx.announced(customer)?))
            })?;
            let Some(announced) = announced else { continue };
            let news = News { announced, ..news };
            let sent = self.send(&mailing, occasion, &news, &counts);
            let error = sent.err().map(|error| error.to_string());
            self.note(customer, error.as_deref());
            catalogue.write(move |tx| -> Result<(), catalogue::Error> {
                tx.announced_by_mail(customer, error.is_none())?;
                tx.mail_end(&mailing, error.as_deref())
            })?;
        }
        Ok(())
    }

    fn note(&mut self, customer: CustomerId, error: Option<&str>) {
        match error {
            None => drop(self.failed.remove(&customer)),
            Some(error) => {
                tracing::warn!(%customer, "a mail could not be sent: {error}");
                let pause = self.failed.get(&customer).map_or(RETRY_FIRST, |(_, pause)| (*pause * 2).min(RETRY_MAX));
                self.failed.insert(customer, (Instant::now() + pause, pause));
            }
        }
    }

    /// Sends one mail.
    ///
    /// # Errors
    /// When it cannot be written, or the mail server does not take it.
    pub fn send(&self, to: &Mailing, occasion: Occasion, news: &News, counts: &CustomerCounts) -> Result<(), Error> {
        Ok(self.transport.send(&self.message(to, occasion, news, counts)?).map(|_| ())?)
    }

    fn message(
        &self,
        to: &Mailing,
        occasion: Occasion,
        news: &News,
        counts: &CustomerCounts,
    ) -> Result<Message, Error> {
        let switch = format!("{}/mail?key={}", self.pages, to.key);
        let text = Text {
            looking: occasion == Occasion::Looking,
            announced: occasion == Occasion::Announced,
            retiring: news.announced.map_or(0, |announced| announced.records),
            retire_at: news.announced.map_or(Micros(0), |announced| announced.at),
            name: to.name.clone(),
            customer: to.customer.0,
            new: news.returned,
            records: counts.records,
            returned: counts.returned,
            missing: counts.missing(),
            address: self.pages.clone(),
            switch: switch.clone(),
            shop: self.shop.clone(),
        };
        let (subject, plain, page) = text.written(to.language)?;
        let address: Mailbox = to.address.parse().map_err(|fault| Error::Address(to.address.clone(), fault))?;
        Ok(Message::builder()
            .from(self.from.clone())
            .to(address)
            .subject(subject)
            .message_id(Some(format!("<{}.{}@{}>", Micros::now().0, to.customer, self.from.email.domain())))
            .header(Unsubscribe(format!("<{switch}>")))
            .header(UnsubscribePost("List-Unsubscribe=One-Click".to_owned()))
            .header(AutoSubmitted("auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(plain, page))?)
    }
}

/// Whether there is something to tell, and if so, what.
fn worth_telling(news: &News, now: Micros, quiet_seconds: i64) -> Option<Occasion> {
    let quiet = news.last_received.is_none_or(|last| last.plus_seconds(quiet_seconds) <= now);
    if news.undecided == 0 {
        return match news.received > 0 || news.returned > 0 {
            true => quiet.then_some(Occasion::Decided),
            false => (news.unmailed() > 0).then_some(Occasion::Announced),
        };
    }
    let long = news.oldest_undecided.is_some_and(|oldest| oldest.plus_seconds(LONG_SECONDS) <= now);
    (news.received > 0 && long).then_some(Occasion::Looking)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Text {
        Text {
            looking: false,
            announced: false,
            retiring: 0,
            retire_at: Micros(0),
            name: "Anna <b>".into(),
            customer: 7,
            new: 2,
            records: 10,
            returned: 4,
            missing: 6,
            address: "https://pictures.example".into(),
            switch: "https://pictures.example/mail?key=k".into(),
            shop: "The shop".into(),
        }
    }

    #[test]
    fn both_languages_and_forms_say_the_same() {
        for (language, subject, count) in [
            (Language::English, "2 of your pictures came back", "Of 10 pictures, 4 came back and 6 are missing."),
            (Language::German, "2 Ihrer Bilder sind wieder da", "Von 10 Bildern sind 4 wieder da, 6 fehlen noch."),
        ] {
            let (said, plain, page) = text().written(language).unwrap();
            assert_eq!(said, subject);
            assert!(plain.contains(count) && plain.contains("Anna <b>,"), "{plain}");
            assert!(page.contains("Anna &#60;b&#62;,"), "{page}");
            for form in [&plain, &page] {
                assert!(form.contains("https://pictures.example/mail?key=k"), "{form}");
                assert!(form.contains("https://pictures.example/customers/7/connect"), "{form}");
            }
        }
        let (one, ..) = Text { new: 1, ..text() }.written(Language::English).unwrap();
        assert_eq!(one, "One of your pictures came back");
        let (looking, ..) = Text { looking: true, ..text() }.written(Language::German).unwrap();
        assert_eq!(looking, "Ihre Bilder werden geprüft");
    }

    #[test]
    fn what_is_announced_is_told_with_its_day() {
        let announced = || Text { retiring: 6, retire_at: Micros::from_seconds(1_803_859_200), ..text() };
        for (language, subject, sentence) in [
            (
                Language::English,
                "Still missing: 6 pictures that are removed on 1 March 2027",
                "On 1 March 2027, 6 pictures that are still missing are removed",
            ),
            (
                Language::German,
                "Noch vermisst: 6 Bilder, die am 1. März 2027 entfernt werden",
                "Am 1. März 2027 werden 6 Bilder, die noch fehlen, entfernt",
            ),
        ] {
            let (_, with_news, page) = announced().written(language).unwrap();
            assert!(with_news.contains(sentence) && page.contains(sentence), "{with_news} {page}");
            let (said, plain, _) = Text { announced: true, new: 0, ..announced() }.written(language).unwrap();
            assert_eq!(said, subject);
            assert!(plain.contains("https://pictures.example/customers/7\n"), "{plain}");
            let (_, without, _) = text().written(language).unwrap();
            assert!(!without.contains("2027"));
        }
        let (one, plain, _) = Text { announced: true, new: 0, missing: 1, retiring: 1, ..announced() }
            .written(Language::English)
            .unwrap();
        assert_eq!(one, "Still missing: 1 picture that is removed on 1 March 2027");
        assert!(plain.contains("On 1 March 2027, a picture that is still missing is removed"), "{plain}");
    }

    #[test]
    fn a_mail_waits_for_quiet_and_for_the_end_of_the_work() {
        let now = Micros(10_000_000_000_000);
        let ago = |seconds: i64| Some(now.plus_seconds(-seconds));
        let nothing = News::default();
        assert_eq!(worth_telling(&nothing, now, 1800), None);
        let sent = News { received: 3, last_received: ago(60), ..nothing };
        assert_eq!(worth_telling(&sent, now, 1800), None, "more may be coming");
        let quiet = News { last_received: ago(1800), ..sent };
        assert_eq!(worth_telling(&quiet, now, 1800), Some(Occasion::Decided));
        let busy = News { undecided: 1, oldest_undecided: ago(1800), ..quiet };
        assert_eq!(worth_telling(&busy, now, 1800), None);
        assert_eq!(worth_telling(&News { oldest_undecided: ago(3600), ..busy }, now, 1800), Some(Occasion::Looking));
        let unmailed = crate::catalogue::Announced { records: 2, at: now, unmailed: 2 };
        let announced = News { announced: Some(unmailed), ..nothing };
        assert_eq!(worth_telling(&announced, now, 1800), Some(Occasion::Announced), "nobody sent anything");
        let told = News { announced: Some(crate::catalogue::Announced { unmailed: 0, ..unmailed }), ..nothing };
        assert_eq!(worth_telling(&told, now, 1800), None, "it was told before");
        let decided_later = News { returned: 1, ..nothing };
        assert_eq!(
            worth_telling(&decided_later, now, 1800),
            Some(Occasion::Decided),
            "a person decided, nothing was sent"
        );
    }
}
