//! Wires endpoints, pipeline and pages over one data folder; starts them in order and stops them in order.
//!
//! Start: lock, catalogue, spool (which recovers), half-placed originals, pipeline, then the listeners, so that nobody is
//! answered before what was acknowledged is known again. Stop: no new connections, running transfers end, the pipeline
//! finishes the files under way. What remains is done after the next start.

mod open_files;
mod ways_in;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::catalogue::{self, Catalogue};
use crate::children;
use crate::condition::{self, Condition};
use crate::config::Config;
use crate::domain::Micros;
use crate::endpoint::browser::Browser;
use crate::endpoint::folder::{self, InboxContext};
use crate::notify::{self, mail::Postman};
use crate::pipeline::{self, Pipeline};
use crate::retiring;
use crate::spool::{self, Spool};
use crate::store::{self, Blobs, Originals};
use crate::tree::TreeError;
use crate::web::{self, WebContext};
use ways_in::{WaysIn, bind};

/// How often the inbox is looked through in full, should the system's notices have been lost.
const INBOX_RESCAN: Duration = Duration::from_secs(30);

/// How often partials that nobody resumed are looked for.
const OLD_PARTIALS_PAUSE: Duration = Duration::from_secs(3600);

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder of the data folder cannot be used.
    #[error("cannot {doing} `{path}`: {source}; run as the service user or name another folder with --data")]
    Folder {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the data folder.
    #[error("another reunite already serves `{0}`; stop it, or name another folder with --data")]
    Held(PathBuf),
    /// A listener cannot be opened.
    #[error("cannot listen on {address} for {what}: {source}; choose another address")]
    Listen {
        /// For whom.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The catalogue failed.
    #[error(transparent)]
    Catalogue(#[from] catalogue::Error),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] TreeError),
    /// A store's folder cannot be taken into use.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What was begun before cannot be finished.
    #[error(transparent)]
    Pipeline(#[from] pipeline::Error),
    /// The pages cannot be served there.
    #[error(transparent)]
    Web(#[from] web::Error),
    /// Something else that a start needs.
    #[error("cannot start: {0}")]
    Start(String),
}

/// How long a server waits for the lock before it says that another has it. A killed server's lock outlives it where it was
/// just starting a decode child, until that child's program begins; and a `scan` that sees no server holds it to find out.
const TAKE_OVER: Duration = Duration::from_secs(3);

/// The right to be the one process that receives and decides in a data folder; given back when it is dropped.
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock of `data`, or nothing when another process has it.
    ///
    /// # Errors
    /// When the lock file cannot be made.
    pub fn take(data: &Path) -> Result<Option<Self>, Error> {
        let path = data.join("serve.lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| Error::Folder { doing: "open", path: path.clone(), source })?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // What an earlier server said is not this one's.
                file.set_len(0).map_err(|source| Error::Folder { doing: "empty", path, source })?;
                Ok(Some(Lock { file }))
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(Error::Folder { doing: "lock", path, source: error.into() }),
        }
    }

    /// Lets other processes know at which address the pages are, once for each lock.
    fn say(&self, address: &str) -> std::io::Result<()> {
        self.file.write_all_at(address.as_bytes(), 0)
    }
}

/// A data folder with everything that works on it, short of its listeners.
pub struct House {
    /// What is known.
    pub catalogue: Arc<Catalogue>,
    /// Where files are received.
    pub spool: Arc<Spool>,
    /// What happens to them.
    pub pipeline: Arc<Pipeline>,
    lock: Lock,
}

impl House {
    /// Opens the data folder of `config`, or nothing when another process has it. What was acknowledged is known again
    /// when this returns.
    ///
    /// # Errors
    /// When a part of it cannot be opened or recovered.
    pub fn open(config: &Config) -> Result<Option<Self>, Error> {
        let data = &config.data;
        make_private(data)?;
        let Some(lock) = Lock::take(data)? else { return Ok(None) };
        let catalogue = Arc::new(Catalogue::open(&data.join("catalogue.sqlite"))?);
        let (blobs, _) = stores(config);
        let spool_folder = data.join("spool");
        let settings = spool::Settings {
            min_free: config.receive.min_free_bytes,
            held_seconds: config.receive.held_seconds as i64,
            report: config.receive.report,
            quota: spool::Quota { bytes: config.limits.quota_bytes, files: config.limits.quota_files },
            partial_seconds: config.receive.partial_days as i64 * 24 * 3600,
            ..spool::Settings::default()
        };
        let (spool, recovered) = Spool::open(&spool_folder, Arc::clone(&catalogue), blobs.clone(), settings)?;
        tracing::info!(?recovered, "the spool is open");
        let pipeline = pipeline_over(config, Arc::clone(&catalogue))?;
        adopt_stores(&pipeline)?;
        Ok(Some(House { catalogue, spool, pipeline: Arc::new(pipeline), lock }))
    }
}

/// [`House::open`], which another process may keep waiting for a moment.
fn open_after_another(config: &Config) -> Result<Option<House>, Error> {
    let begin = Instant::now();
    loop {
        match House::open(config)? {
            None if begin.elapsed() < TAKE_OVER => std::thread::sleep(Duration::from_millis(50)),
            opened => return Ok(opened),
        }
    }
}

/// Takes store folders into use in which nothing can be missing yet. Later, an absent one is a disk that is away.
fn adopt_stores(pipeline: &Pipeline) -> Result<(), Error> {
    let (blobs, originals) = pipeline
        .catalogue
        .read(|tx| -> Result<_, catalogue::Error> { Ok((tx.has_blobs()?, tx.has_attachments()?)) })?;
    if !blobs {
        pipeline.blobs.adopt()?;
    }
    if !originals {
        pipeline.originals.adopt()?;
    }
    for away in [pipeline.blobs.require(), pipeline.originals.require()].into_iter().filter_map(Result::err) {
        tracing::error!("{away}");
    }
    Ok(())
}

/// A pipeline for a data folder whose lock somebody else may hold: good for explaining, not for running.
///
/// # Errors
/// When the decode children cannot be started.
pub fn pipeline_over(config: &Config, catalogue: Arc<Catalogue>) -> Result<Pipeline, Error> {
    let (blobs, originals) = stores(config);
    let mut settings = children::Settings::for_this_machine()
        .map_err(|error| Error::Start(format!("the program cannot find itself: {error}")))?;
    if let Some(threads) = NonZeroUsize::new(config.decode.threads) {
        settings.threads = threads;
    }
    settings.address_space_max = config.decode.memory_bytes;
    settings.job_time_max = Duration::from_secs(config.decode.seconds);
    settings.limits.pixels_max = config.decode.pixels_max;
    let children = children::Pool::start(settings).map_err(|error| Error::Start(error.to_string()))?;
    Ok(Pipeline::new(catalogue, config.data.join("spool"), blobs, originals, children, config))
}

/// The two stores that `config` names; whether they are there is another question.
pub fn stores(config: &Config) -> (Blobs, Originals) {
    let (file_mode, folder_mode) = config.originals_modes();
    let originals = Originals::new(config.originals_folder(), file_mode, folder_mode);
    (Blobs::new(config.data.join("blobs")), originals)
}

/// Serves until a signal asks for the end. Prints `ready` with the addresses on standard output once all listen.
///
/// # Errors
/// When something that a start needs is not to be had.
pub fn run(config: &Config) -> Result<(), Error> {
    config.web.check().map_err(Error::Start)?;
    let postman = Postman::new(&config.mail, &config.retire, &config.web.address())
        .map_err(|error| Error::Start(format!("mail: {error}")))?;
    open_files::raise_limit(config.limits.connections.saturating_add(config.limits.web_connections));
    share_free_memory();
    let house = open_after_another(config)?.ok_or_else(|| Error::Held(config.data.clone()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Start(error.to_string()))?;
    let running = pipeline::start(Arc::clone(&house.pipeline))?;
    let notifying = notify::start(Arc::clone(&house.catalogue), postman)
        .map_err(|error| Error::Start(format!("there is no thread for webhooks and mail: {error}")))?;
    let served = runtime.block_on(listen(config, &house));
    running.stop();
    notifying.stop();
    // Transfers that were cut off by the end of their time are still being kept as partials.
    runtime.shutdown_timeout(Duration::from_secs(5));
    served
}

/// What is larger than this is asked of the system and given back to it, one by one: an argon2 run takes 19 MiB. glibc, left alone,
/// raises its own limit to 32 MiB at the first such block, and then keeps holes of that size wherever one lay.
const GIVEN_BACK_FROM_BYTES: libc::c_int = 2 << 20;

/// Lets threads share what was freed, and gives back what was large. Each upload is on one of many threads for a moment; glibc would
/// keep the blocks that each of these freed apart from the others'.
fn share_free_memory() {
    #[cfg(target_env = "gnu")]
    for (what, value) in [(libc::M_ARENA_MAX, 4), (libc::M_MMAP_THRESHOLD, GIVEN_BACK_FROM_BYTES)] {
        // SAFETY: it takes two numbers. No other thread runs yet.
        if unsafe { libc::mallopt(what, value) } == 0 {
            tracing::debug!("threads keep what they freed to themselves");
        }
    }
}

async fn listen(config: &Config, house: &House) -> Result<(), Error> {
    let ways_in = WaysIn::open(config, house).await?;
    let mut ways = ways_in.addresses()?;
    let address = config.web.listen;
    let web_listener = bind("the pages", address).await?;
    let web = web_listener.local_addr().map_err(|source| Error::Listen { what: "the pages", address, source })?;
    ways.push(("web", web.to_string()));
    let token = web::new_token()?;
    let (stop, stopping) = watch::channel(false);
    let browser = Browser::new(
        Arc::clone(&house.catalogue),
        Arc::clone(&house.spool),
        ways_in::browser_settings(config),
        stopping.clone(),
    );
    let condition = Arc::new(Condition::of(
        Arc::clone(&house.catalogue),
        Arc::clone(&house.spool),
        Arc::clone(&house.pipeline),
        ways_in.connections(),
    ));
    let web_context = Arc::new(WebContext {
        catalogue: Arc::clone(&house.catalogue),
        logins: ways_in.logins(),
        token: token.clone(),
        pipeline: Arc::clone(&house.pipeline),
        pictures: web::Pictures::default(),
        shown: web::Shown::default(),
        condition: Arc::clone(&condition),
        metrics_from: config.web.metrics_from.clone(),
        address: address_of(config, web),
        embed_origins: config.web.embed_origins.iter().map(ToString::to_string).collect(),
        counts: web::Counts::default(),
        browser: Arc::clone(&browser),
        ports: ways_in.ports(config),
        identity: ways_in.identity(),
        endpoints: ways.clone(),
        line: ways_in::pages_line(config)?,
        zone: config.web.time_zone.clone(),
        mail: config.mail.server.is_some(),
        public_host: config.web.public_address.as_ref().map(|public| public.host.clone()),
    });
    let inbox_context = InboxContext {
        folder: config.data.join("inbox"),
        catalogue: Arc::clone(&house.catalogue),
        spool: Arc::clone(&house.spool),
        quiet: Duration::from_secs(config.receive.inbox_quiet_seconds),
        rescan: INBOX_RESCAN,
    };
    let served = async {
        tokio::join!(
            ways_in.serve(stopping.clone()),
            web::serve(web_listener, web_context, stopping.clone()),
            folder::serve(inbox_context, stopping.clone()),
            give_up_old_partials(&house.spool, &browser, stopping.clone()),
            condition::watch(condition, stopping.clone()),
            retiring::watch(
                Arc::clone(&house.catalogue),
                Arc::clone(&house.pipeline),
                config.retire.clone(),
                config.mail.server.is_some(),
                stopping.clone(),
            ),
        )
    };
    // Whoever reads that all listen may ask for the end at once.
    let ending = Ending::listen()?;
    let pages = web::token_address(web, config.web.tls, &token);
    eprintln!("pages: {}", pages.unwrap_or_else(|| config.web.address()));
    if let Err(error) = house.lock.say(&address_of(config, web)) {
        // Links are then made for the address of the settings.
        tracing::warn!("cannot write down at which address the pages are: {error}");
    }
    let ways: Vec<String> = ways.iter().map(|(kind, addresses)| format!("{kind}={addresses}")).collect();
    println!("ready {}", ways.join(" "));
    // The listener for signals is never the first to end: without a signal the server runs on.
    let (((), pages, (), (), (), ()), ()) = tokio::join!(served, stop_on_signal(ending, stop));
    Ok(pages?)
}

/// At which address people find the pages that listen at `web`.
fn address_of(config: &Config, web: SocketAddr) -> String {
    match &config.web.public_address {
        Some(public) => public.to_string(),
        None => format!("{}://{web}", if config.web.tls { "https" } else { "http" }),
    }
}

/// The signals that ask for the end, from the moment it is made: one that comes earlier ends the process as any other's.
struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    fn listen() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(|error| Error::Start(format!("signals cannot be received: {error}")));
        Ok(Ending { terminate: on(SignalKind::terminate())?, interrupt: on(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The first signal drains, the second ends at once.
async fn stop_on_signal(mut ending: Ending, stop: watch::Sender<bool>) {
    ending.asked().await;
    tracing::info!("stopping: running transfers may end");
    // Every receiver lives as long as the endpoints, which this call outlives only when they have ended already.
    stop.send_replace(true);
    tokio::spawn(async move {
        ending.asked().await;
        std::process::exit(1);
    });
}

async fn give_up_old_partials(spool: &Arc<Spool>, browser: &Arc<Browser>, mut stopping: watch::Receiver<bool>) {
    loop {
        let (spool, browser) = (Arc::clone(spool), Arc::clone(browser));
        let give_up = move || -> Result<usize, TreeError> {
            let given_up = spool.give_up_old_partials(Micros::now())?;
            browser.forget_old(Micros::now())?;
            Ok(given_up)
        };
        match tokio::task::spawn_blocking(give_up).await {
            Ok(Ok(0)) => {}
            Ok(Ok(given_up)) => {
                tracing::info!("{given_up} transfers that nobody resumed count as truncated uploads now")
            }
            Ok(Err(error)) => tracing::error!("cannot look for old partials: {error}"),
            Err(error) => tracing::error!("looking for old partials failed: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(OLD_PARTIALS_PAUSE) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// Makes a folder that nobody else may look into, with what is missing above it.
fn make_private(folder: &Path) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| Error::Folder {
        doing: "make the folder",
        path: folder.to_owned(),
        source,
    })?;
    fs::File::open(folder).and_then(|opened| opened.sync_all()).map_err(|source| Error::Folder {
        doing: "sync",
        path: folder.to_owned(),
        source,
    })
}
