//! scp in its older form, where the client runs `scp -t` or `scp -f` on the server: `scp -O`, and clients without SFTP.
//!
//! The conversation is a strict to and fro, so it runs on one blocking thread per transfer, with `line` between it and
//! the channel. Each file is received and made durable as everywhere else.

mod command;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod line;
mod sink;
mod source;

use std::sync::Arc;

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc;

use super::budget::Share;
use super::session::{Outcome, Patience, note_panic, say_goodbye};
use crate::spool::Spool;
use crate::tree::Tree;

pub(super) use command::Command;
use line::Line;

/// Pieces that wait between the channel and the thread.
const PIECES: usize = 16;

/// Serves one `scp` command to its end.
pub(super) async fn run(
    channel: Channel<Msg>,
    command: Command,
    tree: Tree,
    spool: Arc<Spool>,
    share: Share,
    patience: Patience,
) {
    let (read, write) = channel.split();
    let (pieces, incoming) = mpsc::channel(PIECES);
    let (outgoing, answers) = mpsc::channel(PIECES);
    let reader = tokio::spawn(take_in(read, pieces, patience));
    let talking = tokio::task::spawn_blocking(move || {
        let mut line = Line::new(incoming, outgoing);
        if command.sink {
            sink::receive(&mut line, &command, &tree, &spool)
        } else {
            source::send(&mut line, &command, &tree)
        }
    });
    give_out(&write, answers, patience).await;
    // Whatever happened, the thread finds its line closed and comes back.
    reader.abort();
    let failed = match note_panic(talking.await) {
        Some(Ok(failed)) => failed,
        // The line is gone; nobody is left to be told.
        Some(Err(line::Gone)) | None => true,
    };
    say_goodbye(&write, Outcome { status: u32::from(failed), sentence: None }).await;
    drop(share);
}

async fn take_in(mut read: ChannelReadHalf, pieces: mpsc::Sender<Vec<u8>>, patience: Patience) {
    while let Ok(Some(message)) = tokio::time::timeout(patience.idle, read.wait()).await {
        match message {
            ChannelMsg::Data { data } => {
                // The thread takes pieces as fast as the disk does; one that does not is stuck in an answer.
                let taken = tokio::time::timeout(patience.stall, pieces.send(data.into())).await;
                if !matches!(taken, Ok(Ok(()))) {
                    return;
                }
            }
            ChannelMsg::Eof | ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// Sends answers until the thread has no more, or the client takes none.
async fn give_out(write: &ChannelWriteHalf<Msg>, mut answers: mpsc::Receiver<Vec<u8>>, patience: Patience) {
    while let Some(answer) = answers.recv().await {
        let sent = tokio::time::timeout(patience.stall, write.data_bytes(answer)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}
