//! The parent's side: one thread that owns the children, hands out jobs, and deals with death and delay.
//!
//! Rules. A child works on at most as many jobs as it has threads, so a job's clock starts when its work does. When a
//! child dies, whatever it held is tried again, each job alone in its child; a second death names the job. A job that
//! takes too long costs its child; its neighbours go back to the queue unblamed, it gets one more try alone.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::wire::{self, Answer, Frames, Orders, Report, Request};
use super::{SUBCOMMAND, Settings};
use crate::decode::Unreadable;

/// Children that die or cannot be started before they are ready, in a row, before waiting jobs are given up.
const FAILED_STARTS_MAX: u32 = 5;
/// A child gets this long from its start to being ready.
const START_TIME_MAX: Duration = Duration::from_secs(20);
/// A child that does not take in what it is sent for so long is as good as dead.
const SEND_TIME_MAX: Duration = Duration::from_secs(10);
/// The pause after a failed start; it doubles with each.
const START_PAUSE: Duration = Duration::from_millis(50);

/// What the supervisor wakes up for.
pub(super) enum Event {
    /// A job from the pool.
    Job { request: Request, files: Vec<File>, bytes: Vec<u8>, reply: Sender<Answer> },
    /// A child said something.
    Said { child: u64, report: Report },
    /// A child closed its end, or said nonsense.
    Gone { child: u64 },
    /// The pool ends.
    Stop,
}

struct Job {
    request: Request,
    files: Vec<File>,
    bytes: Vec<u8>,
    reply: Sender<Answer>,
    /// Children that died or were killed over it.
    failures: u32,
}

struct Running {
    id: u64,
    process: Child,
    stream: UnixStream,
    ready: bool,
    since: Instant,
    jobs: HashMap<u64, (Job, Instant)>,
}

/// A place for one child, with the jobs that have to run alone in it.
#[derive(Default)]
struct Place {
    running: Option<Running>,
    alone: VecDeque<Job>,
}

pub(super) struct Supervisor {
    settings: Settings,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    places: Vec<Place>,
    waiting: VecDeque<Job>,
    next_id: u64,
    failed_starts: u32,
    next_start: Instant,
    /// For whoever asks who is running.
    pids: Arc<Mutex<Vec<u32>>>,
    /// For whoever asks how many were lost.
    deaths: Arc<AtomicU64>,
}

impl Supervisor {
    pub fn new(
        settings: Settings,
        events: Sender<Event>,
        inbox: Receiver<Event>,
        pids: Arc<Mutex<Vec<u32>>>,
        deaths: Arc<AtomicU64>,
    ) -> Self {
        let places = (0..settings.children.get()).map(|_| Place::default()).collect();
        Supervisor {
            settings,
            events,
            inbox,
            places,
            waiting: VecDeque::new(),
            next_id: 0,
            failed_starts: 0,
            next_start: Instant::now(),
            pids,
            deaths,
        }
    }

    /// Works until told to stop. The thread that calls this is the children's parent: they die with it.
    pub fn run(mut self) {
        crate::priority::step_back();
        loop {
            self.hand_out();
            let event = match self.next_wake() {
                Some(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match event {
                Ok(Event::Job { request, files, bytes, reply }) => {
                    self.waiting.push_back(Job { request, files, bytes, reply, failures: 0 });
                }
                Ok(Event::Said { child, report }) => self.heard(child, report),
                Ok(Event::Gone { child }) => self.bury(child),
                Ok(Event::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.kill_the_late();
        }
        self.stop();
    }

    /// Gives waiting jobs to children that have room, starting children as needed.
    fn hand_out(&mut self) {
        for at in 0..self.places.len() {
            loop {
                let place = &self.places[at];
                let held = place.running.as_ref().map_or(0, |running| running.jobs.len());
                let room = match place.alone.is_empty() {
                    false => held == 0,
                    true => !self.waiting.is_empty() && held < self.settings.threads.get(),
                };
                // A child that held a suspect works on nothing else meanwhile.
                let holds_suspect = place.running.as_ref().is_some_and(|running| running.holds_suspect());
                if !room || holds_suspect {
                    break;
                }
                if place.running.is_none() && !self.start(at) {
                    break;
                }
                if !self.places[at].running.as_ref().is_some_and(|running| running.ready) {
                    break;
                }
                let job = self.places[at].alone.pop_front().or_else(|| self.waiting.pop_front());
                if let Some(job) = job {
                    self.send(at, job);
                }
            }
        }
    }

    fn send(&mut self, at: usize, job: Job) {
        self.next_id += 1;
        let id = self.next_id;
        let Some(running) = &mut self.places[at].running else {
            self.waiting.push_front(job);
            return;
        };
        let message = wire::Job { id, request: job.request.clone(), files: job.files.len() };
        let sent = wire::send(&running.stream, &message, &job.bytes, &job.files);
        running.jobs.insert(id, (job, Instant::now()));
        if sent.is_err() {
            // It is dead or stuck; burying it deals with the job like with all it held.
            let child = running.id;
            self.bury(child);
        }
    }

    fn heard(&mut self, child: u64, report: Report) {
        let Some(running) = self.running(child) else { return };
        match report {
            Report::Ready => {
                running.ready = true;
                self.failed_starts = 0;
            }
            Report::Done { id, answer } => {
                if let Some((job, _)) = running.jobs.remove(&id) {
                    // Nobody waits any more when the asker's thread is gone.
                    let _ = job.reply.send(answer);
                }
            }
        }
    }

    fn running(&mut self, child: u64) -> Option<&mut Running> {
        self.places.iter_mut().filter_map(|place| place.running.as_mut()).find(|running| running.id == child)
    }

    /// Ends a child that is dead or has to die, and decides what becomes of its jobs.
    fn bury(&mut self, child: u64) {
        let Some(at) = self.place_of(child) else { return };
        let Some(mut running) = self.places[at].running.take() else { return };
        let cause = end(&mut running.process);
        self.deaths.fetch_add(1, Ordering::Relaxed);
        self.publish_pids();
        if !running.ready {
            self.start_failed(&cause);
        }
        for job in in_order(running.jobs) {
            self.blame(at, job, Unreadable::CrashedTwice(cause.clone()));
        }
    }

    /// Counts a failure against a job: the first earns it a try alone, the second ends it.
    fn blame(&mut self, at: usize, mut job: Job, reason: Unreadable) {
        job.failures += 1;
        if job.failures < 2 {
            self.places[at].alone.push_back(job);
        } else {
            // Nobody waits any more when the asker's thread is gone.
            let _ = job.reply.send(Answer::Failed(reason));
        }
    }

    /// Kills children whose oldest job is out of time, or which do not become ready.
    fn kill_the_late(&mut self) {
        let now = Instant::now();
        let limit = self.settings.job_time_max;
        for at in 0..self.places.len() {
            let Some(running) = &mut self.places[at].running else { continue };
            if !running.ready && now >= running.since + START_TIME_MAX {
                let child = running.id;
                self.bury(child);
                continue;
            }
            if !running.jobs.values().any(|(_, since)| now >= *since + limit) {
                continue;
            }
            let Some(mut running) = self.places[at].running.take() else { continue };
            kill(&mut running.process);
            self.deaths.fetch_add(1, Ordering::Relaxed);
            self.publish_pids();
            let (late, innocent): (Vec<_>, Vec<_>) =
                running.jobs.drain().partition(|(_, (_, since))| now >= *since + limit);
            for job in in_order(late.into_iter().collect()) {
                self.blame(at, job, Unreadable::TooSlow(limit.as_secs()));
            }
            for job in in_order(innocent.into_iter().collect()).into_iter().rev() {
                // One that was being tried alone has no neighbours, so these were not.
                self.waiting.push_front(job);
            }
        }
    }

    /// When something has to be looked at though nothing was heard.
    fn next_wake(&self) -> Option<Instant> {
        let has_work = !self.waiting.is_empty() || self.places.iter().any(|place| !place.alone.is_empty());
        let is_idle = self.places.iter().any(|place| place.running.is_none());
        let start = (has_work && is_idle && self.next_start > Instant::now()).then_some(self.next_start);
        let running = self.places.iter().filter_map(|place| place.running.as_ref());
        let deadlines = running.flat_map(|running| {
            let ready = (!running.ready).then_some(running.since + START_TIME_MAX);
            running.jobs.values().map(|(_, since)| *since + self.settings.job_time_max).chain(ready)
        });
        deadlines.chain(start).min()
    }

    /// Starts a child in a place; false when that has to wait.
    fn start(&mut self, at: usize) -> bool {
        if Instant::now() < self.next_start {
            return false;
        }
        self.next_id += 1;
        match start_child(&self.settings, self.next_id, &self.events) {
            Ok(running) => {
                self.places[at].running = Some(running);
                self.publish_pids();
                true
            }
            Err(error) => {
                self.start_failed(&error.to_string());
                false
            }
        }
    }

    fn start_failed(&mut self, cause: &str) {
        self.failed_starts += 1;
        self.next_start = Instant::now() + START_PAUSE * 2u32.pow(self.failed_starts.min(8));
        if self.failed_starts < FAILED_STARTS_MAX {
            return;
        }
        tracing::error!(cause, "cannot start a decoder; giving up the files that wait for one");
        let reason = Unreadable::Unavailable(format!("no decoder can be started: {cause}"));
        let alone = self.places.iter_mut().flat_map(|place| place.alone.drain(..));
        for job in alone.chain(self.waiting.drain(..)) {
            // Nobody waits any more when the asker's thread is gone.
            let _ = job.reply.send(Answer::Failed(reason.clone()));
        }
    }

    fn place_of(&self, child: u64) -> Option<usize> {
        self.places.iter().position(|place| place.running.as_ref().is_some_and(|running| running.id == child))
    }

    fn publish_pids(&self) {
        let running = self.places.iter().filter_map(|place| place.running.as_ref());
        let pids = running.map(|running| running.process.id()).collect();
        *self.pids.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = pids;
    }

    /// Ends every child and answers every job that is left, also those still in the inbox.
    fn stop(mut self) {
        let reason = Unreadable::Unavailable("the decoders are being stopped".to_owned());
        let mut left: Vec<Sender<Answer>> = self.waiting.drain(..).map(|job| job.reply).collect();
        for place in &mut self.places {
            left.extend(place.alone.drain(..).map(|job| job.reply));
            if let Some(mut running) = place.running.take() {
                kill(&mut running.process);
                left.extend(running.jobs.drain().map(|(_, (job, _))| job.reply));
            }
        }
        left.extend(self.inbox.try_iter().filter_map(|event| match event {
            Event::Job { reply, .. } => Some(reply),
            _ => None,
        }));
        for reply in left {
            // Nobody waits any more when the asker's thread is gone.
            let _ = reply.send(Answer::Failed(reason.clone()));
        }
        self.publish_pids();
    }
}

impl Running {
    fn holds_suspect(&self) -> bool {
        self.jobs.values().any(|(job, _)| job.failures > 0)
    }
}

/// Jobs in the order in which they were handed out, so that the same deaths lead to the same order.
fn in_order(jobs: HashMap<u64, (Job, Instant)>) -> Vec<Job> {
    let mut jobs: Vec<_> = jobs.into_iter().collect();
    jobs.sort_by_key(|(id, _)| *id);
    jobs.into_iter().map(|(_, (job, _))| job).collect()
}

/// Starts one child, gives it its orders, and a thread that listens to it.
fn start_child(settings: &Settings, id: u64, events: &Sender<Event>) -> io::Result<Running> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut process = Command::new(&settings.program)
        .arg(SUBCOMMAND)
        .env_clear()
        .current_dir("/")
        // A signal from the terminal is for the parent, which ends its children in order.
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let orders = Orders {
        threads: settings.threads.get(),
        address_space_max: settings.address_space_max,
        limits: settings.limits,
        thumbnail_limits: settings.thumbnail_limits,
        file_bytes_max: settings.file_bytes_max,
    };
    let set_up = || -> io::Result<()> {
        ours.set_write_timeout(Some(SEND_TIME_MAX))?;
        wire::send(&ours, &orders, &[], &[])?;
        listen(Frames::new(ours.try_clone()?), id, events.clone())
    }();
    if let Err(error) = set_up {
        kill(&mut process);
        return Err(error);
    }
    Ok(Running { id, process, stream: ours, ready: false, since: Instant::now(), jobs: HashMap::new() })
}

/// Passes on what a child says until it says no more.
fn listen(mut frames: Frames, child: u64, events: Sender<Event>) -> io::Result<()> {
    let relay = move || {
        // Nonsense from a child is treated like its death.
        while let Ok(Some((report, _))) = frames.next::<Report>() {
            if events.send(Event::Said { child, report }).is_err() {
                return;
            }
        }
        // The supervisor may have ended first.
        let _ = events.send(Event::Gone { child });
    };
    std::thread::Builder::new().name("decoder".to_owned()).spawn(relay).map(|_| ())
}

/// Reaps a process that closed its socket, and says how it ended. It may need a moment to be dead of its own cause; one
/// that takes longer gets killed.
fn end(process: &mut Child) -> String {
    for _ in 0..50 {
        match process.try_wait() {
            Ok(Some(status)) => return cause(status),
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return error.to_string(),
        }
    }
    kill(process)
}

/// Kills and reaps a process.
fn kill(process: &mut Child) -> String {
    // This fails only for a process that is dead already.
    let _ = process.kill();
    process.wait().map_or_else(|error| error.to_string(), cause)
}

fn cause(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(libc::SIGSEGV), _) => "segmentation fault".to_owned(),
        (Some(libc::SIGABRT), _) => "aborted, out of memory as a rule".to_owned(),
        (Some(libc::SIGKILL), _) => "killed".to_owned(),
        (Some(libc::SIGBUS), _) => "bus error".to_owned(),
        (Some(signal), _) => format!("signal {signal}"),
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "ended".to_owned(),
    }
}
