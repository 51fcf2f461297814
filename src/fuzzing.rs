//! What must hold for any bytes that a client can send: a function for each parser that stands open to the network.
//!
//! Each panics when a property is broken. `tests/fuzz` calls them with what a fuzzer makes up; the tests below call them with the
//! seeds and past findings of `tests/fuzz/seeds`, so that what was found once is looked at in every run. In no release build.

pub use crate::endpoint::ftp::fuzzing::control_connection as ftp;
pub use crate::endpoint::fuzzing::{paths, proxy_header};
pub use crate::endpoint::sftp::fuzzing::{command_lines, requests as sftp};
pub use crate::endpoint::sftp::scp::fuzzing::announcements as scp;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Gives every file of one target's seeds to its function.
    #[track_caller]
    fn replay(target: &str, hold: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
        let seeds: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "no seeds in {}", folder.display());
        for seed in seeds {
            println!("{}", seed.display());
            hold(&std::fs::read(&seed).unwrap());
        }
    }

    #[test]
    fn ftp_seeds() {
        replay("ftp", ftp);
    }

    #[test]
    fn sftp_seeds() {
        replay("sftp", sftp);
    }

    #[test]
    fn proxy_header_seeds() {
        replay("proxy_header", proxy_header);
    }

    #[test]
    fn scp_seeds() {
        replay("scp", scp);
    }

    #[test]
    fn command_line_seeds() {
        replay("command_lines", command_lines);
    }

    #[test]
    fn path_seeds() {
        replay("paths", paths);
    }
}
