//! One SFTP session over one SSH channel: line in, files, line out.
//!
//! Three things go on at once. A reader cuts what arrives into requests and queues them; the session serves them in
//! batches on blocking threads; a writer sends the collected answers while the next ones are made. See `intake` for why
//! none of them may wait for another in a circle.

use std::sync::Arc;
use std::time::Duration;

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};

use super::budget::Share;
use super::files::{Files, Finishing, Pause};
use super::intake::{End, Intake};
use super::protocol::Packets;

/// How long a client gets to read how its session ended.
pub(super) const GOODBYE: Duration = Duration::from_secs(5);

/// How a session ended: the exit status that the client's program sees, and a sentence when there is something to say.
pub(super) struct Outcome {
    pub status: u32,
    pub sentence: Option<String>,
}

/// What bounds one session.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// How long a session may ask nothing.
    pub idle: Duration,
    /// How long a client may take nothing of what it asked for.
    pub stall: Duration,
}

/// Serves a session until the client ends it, it is idle for too long, or the server stops and no file is being received.
pub(super) async fn run(
    channel: Channel<Msg>,
    files: Files,
    share: Share,
    patience: Patience,
    mut stop: tokio::sync::watch::Receiver<bool>,
) {
    let (read, write) = channel.split();
    let write = Arc::new(write);
    let intake = Arc::new(Intake::default());
    let reader = tokio::spawn(read_requests(read, Arc::clone(&intake), share));
    let (answers, outgoing) = mpsc::channel(1);
    let mut writer = tokio::spawn(send_answers(Arc::clone(&write), outgoing));

    let mut session = Session { files: Some(files), intake, answers, finishing: JoinSet::new(), patience };
    let outcome = session.serve(&mut stop).await;
    session.end().await;
    // The writer ends by itself once it has sent everything, since the session has let go of its queue.
    match tokio::time::timeout(patience.stall, &mut writer).await {
        Ok(ended) => drop(note_panic(ended)),
        Err(_) => writer.abort(),
    }
    reader.abort();
    say_goodbye(&write, outcome).await;
}

struct Session {
    /// Away while a batch is being served.
    files: Option<Files>,
    intake: Arc<Intake>,
    answers: mpsc::Sender<Vec<u8>>,
    finishing: JoinSet<(crate::tree::TreePath, Vec<u8>)>,
    patience: Patience,
}

impl Session {
    async fn serve(&mut self, stop: &mut tokio::sync::watch::Receiver<bool>) -> Outcome {
        let mut waiting = false;
        loop {
            let stopping = *stop.borrow();
            let Some(files) = &self.files else { return broken() };
            if stopping && !files.is_receiving() {
                return Outcome { status: 1, sentence: Some("reunite is being stopped; please come back".into()) };
            }
            tokio::select! {
                Some(ended) = self.finishing.join_next() => {
                    waiting = false;
                    if !self.take_end(ended).await {
                        return gone();
                    }
                    continue;
                }
                () = self.intake.ready(), if !waiting => {}
                () = tokio::time::sleep(self.patience.idle), if self.finishing.is_empty() => {
                    return Outcome { status: 1, sentence: Some("nothing was asked for a long time; goodbye".into()) };
                }
                () = crate::endpoint::accept::is_set(stop), if !stopping => continue,
            }
            if self.finishing.is_empty()
                && let Some(end) = self.intake.ended()
            {
                return end_of(end);
            }
            match self.batch().await {
                Some(Pause::Malformed(fault)) => return end_of(End::Malformed(fault)),
                // An end that came while files are finishing is seen again once they are.
                Some(pause) => waiting = pause == Pause::Waiting || self.intake.ended().is_some(),
                None => return gone(),
            }
            waiting = waiting && !self.finishing.is_empty();
        }
    }

    /// Serves one batch and sends its answers; nothing when the session cannot go on.
    async fn batch(&mut self) -> Option<Pause> {
        let (mut files, intake) = (self.files.take()?, Arc::clone(&self.intake));
        let work = move || {
            let (mut answers, mut ends) = (Vec::new(), Vec::new());
            let pause = files.serve(&intake, &mut answers, &mut ends);
            (files, pause, answers, ends)
        };
        let (files, pause, answers, ends) = note_panic(tokio::task::spawn_blocking(work).await)?;
        self.files = Some(files);
        for end in ends {
            self.finishing.spawn_blocking(move || finish(end));
        }
        self.send(answers).await.then_some(pause)
    }

    async fn take_end(&mut self, ended: Result<(crate::tree::TreePath, Vec<u8>), JoinError>) -> bool {
        let (Some((path, answer)), Some(files)) = (note_panic(ended), self.files.as_mut()) else {
            return false;
        };
        files.finished(&path);
        self.send(answer).await
    }

    /// Hands answers to the writer; false when the client is gone or takes nothing.
    async fn send(&self, answers: Vec<u8>) -> bool {
        if answers.is_empty() {
            return true;
        }
        self.intake.set_answering(true);
        let sent = tokio::time::timeout(self.patience.stall, self.answers.send(answers)).await;
        self.intake.set_answering(false);
        matches!(sent, Ok(Ok(())))
    }

    /// Waits for files that are on their way to the disk, and keeps what is unfinished for resuming.
    async fn end(mut self) {
        while let Some(ended) = self.finishing.join_next().await {
            if let Some((_, answer)) = note_panic(ended) {
                // The client may be gone already; its file is durable all the same.
                self.send(answer).await;
            }
        }
        if let Some(files) = self.files.take() {
            note_panic(tokio::task::spawn_blocking(move || files.end()).await);
        }
    }
}

fn finish(end: Finishing) -> (crate::tree::TreePath, Vec<u8>) {
    let (path, mut answer) = (end.path.clone(), Vec::new());
    end.finish(&mut answer);
    (path, answer)
}

async fn read_requests(mut read: ChannelReadHalf, intake: Arc<Intake>, share: Share) {
    let mut packets = Packets::new();
    let mut cut = Vec::new();
    let end = loop {
        match read.wait().await {
            Some(ChannelMsg::Data { data }) => {
                let outcome = packets.feed(&data, |packet| cut.push(packet));
                let window = share.window() as usize;
                let mut full = None;
                for packet in cut.drain(..) {
                    if let Err(end) = intake.push(packet, window).await {
                        full = Some(end);
                        break;
                    }
                }
                match (full, outcome) {
                    (Some(end), _) => break end,
                    (None, Err(fault)) => break End::Malformed(fault),
                    (None, Ok(())) => {}
                }
            }
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => break End::Client,
            Some(_) => {}
        }
    };
    intake.end(end);
}

async fn send_answers(write: Arc<ChannelWriteHalf<Msg>>, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    while let Some(answers) = outgoing.recv().await {
        if write.data_bytes(answers).await.is_err() {
            // The connection is gone. The session learns it from its next answer or from its reader.
            return;
        }
    }
}

/// Tells the client's program how it ended. Modern scp takes a missing exit status for a failure.
pub(super) async fn say_goodbye(write: &ChannelWriteHalf<Msg>, outcome: Outcome) {
    let told = async {
        if let Some(sentence) = outcome.sentence {
            write.extended_data_bytes(1, format!("reunite: {sentence}\r\n").into_bytes()).await?;
        }
        write.exit_status(outcome.status).await?;
        write.eof().await?;
        write.close().await
    };
    // A client that is gone cannot be told, and one that reads nothing must not hold the session.
    match tokio::time::timeout(GOODBYE, told).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::debug!("the client was gone before its session's end"),
        Err(_) => {
            let closed = tokio::time::timeout(GOODBYE, write.close()).await;
            tracing::debug!(closed = closed.is_ok(), "the client did not read its session's end");
        }
    }
}

fn end_of(end: End) -> Outcome {
    match end {
        End::Client => Outcome { status: 0, sentence: None },
        End::Malformed(fault) => Outcome { status: 1, sentence: Some(format!("this is not SFTP: {fault}")) },
        End::Unread => {
            Outcome { status: 1, sentence: Some("too many requests wait for their answers to be read".into()) }
        }
    }
}

fn gone() -> Outcome {
    Outcome { status: 1, sentence: Some("the answers were not read in time".into()) }
}

fn broken() -> Outcome {
    Outcome { status: 1, sentence: Some("the session failed on the server; please try again".into()) }
}

/// A panic of a part is logged, and ends that session alone.
pub(super) fn note_panic<T>(ended: Result<T, JoinError>) -> Option<T> {
    ended.inspect_err(|fault| tracing::error!("a part of an SFTP session failed: {fault}")).ok()
}
