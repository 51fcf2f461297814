//! A plain FTP client of the test's own: puts things in place before a client comes, and asks afterwards.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A session that has signed in.
pub struct Control {
    reader: BufReader<TcpStream>,
}

impl Control {
    /// Signs in.
    pub fn sign_in(address: &str, name: &str, password: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut control = Control { reader: BufReader::new(stream) };
        control.reply("220");
        control.say("331", &format!("USER {name}"));
        control.say("230", &format!("PASS {password}"));
        control
    }

    /// Waits for a reply of one line with this code.
    pub fn reply(&mut self, code: &str) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(line.starts_with(code), "not {code}: {line}");
        line
    }

    /// Sends a command whose reply is one line with this code.
    pub fn say(&mut self, code: &str, command: &str) -> String {
        self.reader.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        self.reply(code)
    }

    fn data(&mut self) -> TcpStream {
        let told = self.say("229", "EPSV");
        let port: u16 = told.split('|').nth(3).unwrap().parse().unwrap();
        let peer = self.reader.get_ref().peer_addr().unwrap();
        TcpStream::connect((peer.ip(), port)).unwrap()
    }

    /// Begins an upload; its end is the end of what this returns, and [`Control::reply`] hears what came of it.
    pub fn begin(&mut self, name: &str, bytes: &[u8]) -> TcpStream {
        let mut data = self.data();
        self.say("150", &format!("STOR {name}"));
        data.write_all(bytes).unwrap();
        while self.moved() < bytes.len() {
            std::thread::sleep(Duration::from_millis(5));
        }
        data
    }

    /// Uploads a file.
    pub fn store(&mut self, name: &str, bytes: &[u8]) {
        let mut data = self.data();
        self.say("150", &format!("STOR {name}"));
        data.write_all(bytes).unwrap();
        drop(data);
        self.reply("226");
    }

    /// Uploads the beginning of a file and then breaks the connection, as a cut line does.
    pub fn store_cut(&mut self, name: &str, bytes: &[u8]) {
        // Everything has arrived before the reset, which would otherwise overtake it.
        let data = self.begin(name, bytes);
        rustix::net::sockopt::set_socket_linger(&data, Some(Duration::ZERO)).unwrap();
        drop(data);
        self.reply("426");
        assert_eq!(self.say("213", &format!("SIZE {name}")).trim(), format!("213 {}", bytes.len()));
    }

    /// Bytes that the running transfer has moved.
    fn moved(&mut self) -> usize {
        let told = self.say("213", "STAT");
        told.split_whitespace().rev().nth(3).unwrap().parse().unwrap_or_else(|_| panic!("{told}"))
    }

    /// The bytes of a file.
    pub fn fetch(&mut self, name: &str) -> Vec<u8> {
        let mut data = self.data();
        self.say("150", &format!("RETR {name}"));
        let mut bytes = Vec::new();
        data.read_to_end(&mut bytes).unwrap();
        self.reply("226");
        bytes
    }
}
