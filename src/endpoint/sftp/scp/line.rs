//! The channel as a blocking thread sees it: bytes, lines and answers.

use tokio::sync::mpsc;

/// Bytes of the longest line: a name of 255 bytes, its mode and its size fit many times.
const LINE_MAX: usize = 4096;

/// The client is gone, or says what cannot be followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// What the other side answered.
pub(super) enum Answer {
    /// Go on.
    Good,
    /// None any more; there is nothing more to come.
    End,
    /// This one failed, the next may not.
    Bad,
}

/// Both directions of the channel.
pub(super) struct Line {
    incoming: mpsc::Receiver<Vec<u8>>,
    outgoing: mpsc::Sender<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Line {
    /// Over these two queues.
    pub fn new(incoming: mpsc::Receiver<Vec<u8>>, outgoing: mpsc::Sender<Vec<u8>>) -> Self {
        Line { incoming, outgoing, piece: Vec::new(), at: 0 }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl Into<Vec<u8>>) -> Result<(), Gone> {
        self.outgoing.blocking_send(bytes.into()).map_err(|_| Gone)
    }

    /// Tells the other side that something failed; it goes on with the next file.
    pub fn send_failure(&mut self, message: &str) -> Result<(), Gone> {
        self.send(format!("\x01scp: {message}\n"))
    }

    /// The next line without its end; nothing at the end of the conversation.
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, Gone> {
        let mut line = Vec::new();
        while line.len() < LINE_MAX {
            match self.byte() {
                Some(b'\n') => return Ok(Some(line)),
                Some(byte) => line.push(byte),
                None if line.is_empty() => return Ok(None),
                None => return Err(Gone),
            }
        }
        Err(Gone)
    }

    /// The other side's answer.
    pub fn answer(&mut self) -> Result<Answer, Gone> {
        match self.byte() {
            Some(0) => Ok(Answer::Good),
            Some(1) => {
                self.line()?;
                Ok(Answer::Bad)
            }
            Some(_) => Err(Gone),
            None => Ok(Answer::End),
        }
    }

    /// Gives the next `count` bytes to `take`, piece by piece.
    pub fn bytes(&mut self, mut count: u64, mut take: impl FnMut(&[u8])) -> Result<(), Gone> {
        while count > 0 {
            if !self.fill() {
                return Err(Gone);
            }
            let here = &self.piece[self.at..];
            let here = &here[..here.len().min(usize::try_from(count).unwrap_or(usize::MAX))];
            take(here);
            self.at += here.len();
            count -= here.len() as u64;
        }
        Ok(())
    }

    fn byte(&mut self) -> Option<u8> {
        if !self.fill() {
            return None;
        }
        let byte = self.piece[self.at];
        self.at += 1;
        Some(byte)
    }

    /// Whether there is a byte at `at`, waiting for the next piece as needed.
    fn fill(&mut self) -> bool {
        while self.at == self.piece.len() {
            match self.incoming.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece, 0),
                None => return false,
            }
        }
        true
    }
}
