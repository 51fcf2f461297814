//! `reunite demo`: the whole story on this machine, in seconds.
//!
//! It plays the shop (records and thumbnails of pictures whose originals it then forgets) and the customers (a messy dump,
//! sent over FTPS, SFTP and FTP by small clients of its own). The server between them is this same program, started as
//! anybody would start it. Then it checks itself, says how it ended, and serves the pages until Ctrl-C.

mod check;
mod dump;
mod ftp;
mod pictures;
mod server;
mod sftp;
mod shop;
mod tell;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};

use self::dump::Sent;
use self::ftp::Account;
use self::server::{Scratch, Server};
use self::shop::{CUSTOMERS, Fate, Story, Way};
use self::tell::Paint;
use super::Outcome;
use crate::catalogue::{Catalogue, CustomerCounts};
use crate::config::Config;
use crate::endpoint::sftp::host_key;

/// Where the pages are served if nobody else is there.
const PAGES_PORT: u16 = 8080;

/// How long the server may take to decide everything.
const DECIDE: &str = "5m";

/// How often it is asked how far it is.
const ASK: Duration = Duration::from_millis(100);

/// Arguments of `reunite demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A folder of your own pictures instead of the built-in ones; nothing in it is changed
    #[arg(value_name = "PHOTOS")]
    photos: Option<PathBuf>,
    /// End with the report, without serving the pages; exit code 1 if anything that should have come back did not
    #[arg(long)]
    once: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let told = tokio::select! {
            told = tell_story(args) => told?,
            // The folder and the server go with the story that is dropped here.
            stopped = stopped() => return stopped.and_then(|()| Err(anyhow!("the demo was stopped before its end"))),
        };
        if !args.once {
            println!("{}", told.pages);
            stopped().await?;
            println!();
        }
        if told.right {
            Ok(Outcome::Done)
        } else {
            bail!("the demo did not end as it should; see the lines marked ✗")
        }
    })
}

/// A story that was told to its end. The server runs and the folder is there for as long as this is kept.
struct Told {
    /// Whether everything came back that should have, and nothing wrong.
    right: bool,
    /// Where the pages are, in words.
    pages: String,
    // The server goes first: it works in the folder.
    _server: Server,
    _scratch: Scratch,
}

/// Waits for Ctrl-C, or for the signal with which systems and scripts say the same.
async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("cannot wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

async fn tell_story(args: &Args) -> anyhow::Result<Told> {
    let paint = Paint::of_stdout();
    let album = match &args.photos {
        Some(folder) => pictures::of_folder(folder)?,
        None => pictures::fixtures()?,
    };
    let stories = shop::stories(&album);
    let lost = stories.iter().filter(|story| story.fate != Fate::NotLost).count();
    println!("{}", paint.opening(lost, args.photos.is_some(), album.left_out));

    let scratch = Scratch::new()?;
    let data = scratch.path().join("data");
    let passwords = open_shop(paint, scratch.path(), &data, &stories)?;

    let begun = Instant::now();
    let server = Server::start(&data, pages_listen(args.once))?;
    let sent = dump::dump(&stories, album.fixtures)?;
    upload(&server, &data, &passwords, &sent).await?;
    let bytes: usize = sent.iter().map(|sent| sent.bytes.len()).sum();
    let detail = format!("{} files, {:.1} MB, a fine mess, over FTPS, SFTP and FTP", sent.len(), bytes as f64 / 1e6);
    println!("{}", paint.step("The customers send", &detail, begun.elapsed()));

    let begun = Instant::now();
    let config = Config::load(&data)?;
    let catalogue = Catalogue::open(&data.join("catalogue.sqlite"))?;
    decide(&data, &catalogue).await?;
    println!("{}", paint.step("The server looks", "at every file, and proves before it puts back", begun.elapsed()));

    let ends = check::endings(&catalogue, &config.originals_folder(), &stories, &sent, album.fixtures)?;
    drop(catalogue);
    print!("{}", paint.report(&ends, &stories));
    Ok(Told {
        right: ends.is_right(),
        pages: paint.pages(&server.pages, &scratch.path().display().to_string()),
        _server: server,
        _scratch: scratch,
    })
}

/// Makes the shop's database and thumbnails, imports them, and gives each customer a password.
fn open_shop(
    paint: Paint,
    folder: &Path,
    data: &Path,
    stories: &[Story<'_>],
) -> anyhow::Result<[String; CUSTOMERS.len()]> {
    let begun = Instant::now();
    let (records, thumbnails) = (folder.join("records.csv"), folder.join("thumbnails"));
    let count = shop::write(stories, &records, &thumbnails)?;
    server::run(data, &["init"], "")?;
    let path = |path: &Path| path.to_str().map(str::to_owned).context("the folder for temporary files has an odd name");
    server::run(data, &["import", &path(&records)?, "--thumbs", &path(&thumbnails)?], "")?;
    let mut passwords: [String; CUSTOMERS.len()] = Default::default();
    for (at, (name, _)) in CUSTOMERS.iter().enumerate() {
        // With few photos of somebody's own, a customer can be left without one, and then has no account.
        if stories.iter().any(|story| story.customer == at && story.fate != Fate::NotLost) {
            passwords[at] = crate::web::new_token()?;
            server::run(data, &["customer", "passwd", name], &passwords[at])?;
        }
    }
    fs::remove_dir_all(&thumbnails).with_context(|| format!("cannot remove `{}`", thumbnails.display()))?;
    let detail = format!("{count} records with thumbnails, and not one original left");
    println!("{}", paint.step("The shop imports", &detail, begun.elapsed()));
    Ok(passwords)
}

/// The address for the pages: the usual one if it is free.
fn pages_listen(once: bool) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PAGES_PORT));
    if !once && TcpListener::bind(usual).is_ok() { usual } else { SocketAddr::from((Ipv4Addr::LOCALHOST, 0)) }
}

/// Every customer sends what they have, all at once.
async fn upload(server: &Server, data: &Path, passwords: &[String], sent: &[Sent]) -> anyhow::Result<()> {
    let keys = data.join("keys");
    let tls = ftp::trust_only(&keys.join("tls.crt"))?;
    let host_keys: Vec<_> = host_key::load_or_make(&keys)?.iter().map(|key| key.public_key().clone()).collect();
    let bars = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let of = |at: usize| {
        // A customer without an account has nobody to sign in as; their junk stays at home.
        let files: Vec<&Sent> = sent.iter().filter(|sent| sent.customer == at && !passwords[at].is_empty()).collect();
        let (name, way) = CUSTOMERS[at];
        let bar = bars.add(progress(files.len(), &format!("{name} over {}", way.word())));
        let address = if way == Way::Sftp { server.sftp } else { server.ftp };
        (Account { address, name, password: &passwords[at] }, files, bar)
    };
    let go = async |at: usize| -> anyhow::Result<()> {
        let (account, files, bar) = of(at);
        if files.is_empty() {
            return Ok(());
        }
        let (name, way) = CUSTOMERS[at];
        let step = |_: &Sent| bar.inc(1);
        let done = match way {
            Way::Ftps => ftp::upload(account, Some(tls.clone()), &files, step).await,
            Way::Ftp => ftp::upload(account, None, &files, step).await,
            Way::Sftp => sftp::upload(account, host_keys.clone(), &files, step).await,
        };
        bar.finish_and_clear();
        done.with_context(|| format!("{name} could not send over {}", way.word()))
    };
    let (first, second, third) = tokio::join!(go(0), go(1), go(2));
    first.and(second).and(third)
}

/// Waits until every file is decided, showing how far it is.
async fn decide(data: &Path, catalogue: &Catalogue) -> anyhow::Result<()> {
    let ask = || catalogue.read(|tx| tx.page_customers());
    let sum = |all: Vec<CustomerCounts>| all.iter().fold(CustomerCounts::default(), |sum, one| sum.plus(one));
    let mut counts = sum(ask()?);
    let bar = progress(counts.received.max(0) as usize, "files looked at");
    let begun = Instant::now();
    while counts.undecided > 0 && begun.elapsed() < Duration::from_secs(300) {
        tokio::time::sleep(ASK).await;
        counts = sum(ask()?);
        bar.set_position((counts.received - counts.undecided).max(0) as u64);
    }
    bar.finish_and_clear();
    // The last word is the program's own.
    server::run(data, &["wait", "--timeout", DECIDE], "")
}

/// A bar on standard error, if that is a terminal.
fn progress(length: usize, title: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    // A template that is not understood would leave the plain bar, which does as well.
    if let Ok(style) = ProgressStyle::with_template("    {msg:<28} {bar:28.green/dim} {pos:>4} of {len}") {
        bar.set_style(style.progress_chars("█▌░"));
    }
    bar.with_message(title.to_owned())
}
