//! Requests beyond version 3, by their names: OpenSSH's, and those of draft-ietf-secsh-filexfer-extensions that clients use.

use super::{Attributes, Fields, Malformed, put_string};

/// A request beyond version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended<'a> {
    /// `posix-rename@openssh.com`: the new name may exist.
    PosixRename {
        /// The old path.
        from: &'a [u8],
        /// The new path.
        to: &'a [u8],
    },
    /// `fsync@openssh.com`: what was written is to be on disk.
    Fsync {
        /// An open file.
        handle: &'a [u8],
    },
    /// `limits@openssh.com`: how long packets, reads and writes may be.
    Limits,
    /// `statvfs@openssh.com`: how much space there is.
    Statvfs {
        /// Any path.
        path: &'a [u8],
    },
    /// `fstatvfs@openssh.com`: the same by handle.
    Fstatvfs {
        /// Any open file.
        handle: &'a [u8],
    },
    /// `lsetstat@openssh.com`: SETSTAT that follows no link.
    Lsetstat {
        /// The path.
        path: &'a [u8],
        /// What is to be set.
        attributes: Attributes,
    },
    /// `expand-path@openssh.com`: the absolute form of a path that may begin with `~`.
    ExpandPath {
        /// The path.
        path: &'a [u8],
    },
    /// `home-directory`: where a user's relative paths begin.
    HomeDirectory,
    /// `hardlink@openssh.com`.
    Hardlink,
    /// `copy-data`: bytes from one open file into another.
    CopyData(CopyData<'a>),
    /// `check-file-name`, `check-file-handle` and paramiko's `check-file`: digests of a file or of its blocks.
    CheckFile(CheckFile<'a>),
    /// One that is not known here.
    Other {
        /// Its name.
        name: &'a [u8],
    },
}

/// What `copy-data` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyData<'a> {
    /// The file read.
    pub from: &'a [u8],
    /// From where.
    pub from_offset: u64,
    /// How many bytes; 0 for all up to the end.
    pub length: u64,
    /// The file written.
    pub to: &'a [u8],
    /// Where to.
    pub to_offset: u64,
}

/// Which file is to be digested, and in which of the three dialects that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked<'a> {
    /// `check-file-name`.
    Name(&'a [u8]),
    /// `check-file-handle`.
    Handle(&'a [u8]),
    /// `check-file`: a handle, and an answer that begins with the extension's name; paramiko alone speaks so.
    Paramiko(&'a [u8]),
}

/// What the requests for digests ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckFile<'a> {
    /// The file.
    pub file: Checked<'a>,
    /// Names of algorithms, best first, with commas between them.
    pub algorithms: &'a [u8],
    /// From where.
    pub offset: u64,
    /// How many bytes; 0 for all up to the end.
    pub length: u64,
    /// A digest for each block of this many bytes; 0 for one digest.
    pub block_size: u32,
}

/// The name that paramiko's dialect has, and its answers begin with.
pub const CHECK_FILE: &[u8] = b"check-file";

impl<'a> Extended<'a> {
    pub(super) fn decode(fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        let name = fields.string()?;
        Ok(match name {
            b"posix-rename@openssh.com" => Extended::PosixRename { from: fields.string()?, to: fields.string()? },
            b"fsync@openssh.com" => Extended::Fsync { handle: fields.string()? },
            b"limits@openssh.com" => Extended::Limits,
            b"statvfs@openssh.com" => Extended::Statvfs { path: fields.string()? },
            b"fstatvfs@openssh.com" => Extended::Fstatvfs { handle: fields.string()? },
            b"lsetstat@openssh.com" => {
                Extended::Lsetstat { path: fields.string()?, attributes: Attributes::decode(fields)? }
            }
            b"expand-path@openssh.com" => Extended::ExpandPath { path: fields.string()? },
            b"copy-data" => Extended::CopyData(CopyData {
                from: fields.string()?,
                from_offset: fields.u64()?,
                length: fields.u64()?,
                to: fields.string()?,
                to_offset: fields.u64()?,
            }),
            b"check-file-name" => Extended::check_file(Checked::Name(fields.string()?), fields)?,
            b"check-file-handle" => Extended::check_file(Checked::Handle(fields.string()?), fields)?,
            CHECK_FILE => Extended::check_file(Checked::Paramiko(fields.string()?), fields)?,
            _ => {
                // Its fields are its own business.
                fields.rest();
                match name {
                    b"hardlink@openssh.com" => Extended::Hardlink,
                    b"home-directory" => Extended::HomeDirectory,
                    _ => Extended::Other { name },
                }
            }
        })
    }

    fn check_file(file: Checked<'a>, fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        Ok(Extended::CheckFile(CheckFile {
            file,
            algorithms: fields.string()?,
            offset: fields.u64()?,
            length: fields.u64()?,
            block_size: fields.u32()?,
        }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_string(out, self.name());
        match *self {
            Extended::PosixRename { from, to } => {
                put_string(out, from);
                put_string(out, to);
            }
            Extended::Fsync { handle: name }
            | Extended::Fstatvfs { handle: name }
            | Extended::Statvfs { path: name }
            | Extended::ExpandPath { path: name } => put_string(out, name),
            Extended::Lsetstat { path, attributes } => {
                put_string(out, path);
                attributes.encode(out);
            }
            Extended::CopyData(copy) => {
                put_string(out, copy.from);
                out.extend_from_slice(&copy.from_offset.to_be_bytes());
                out.extend_from_slice(&copy.length.to_be_bytes());
                put_string(out, copy.to);
                out.extend_from_slice(&copy.to_offset.to_be_bytes());
            }
            Extended::CheckFile(check) => {
                let (Checked::Name(name) | Checked::Handle(name) | Checked::Paramiko(name)) = check.file;
                put_string(out, name);
                put_string(out, check.algorithms);
                out.extend_from_slice(&check.offset.to_be_bytes());
                out.extend_from_slice(&check.length.to_be_bytes());
                out.extend_from_slice(&check.block_size.to_be_bytes());
            }
            Extended::Limits | Extended::HomeDirectory | Extended::Hardlink | Extended::Other { .. } => {}
        }
    }

    fn name(&self) -> &'a [u8] {
        match *self {
            Extended::PosixRename { .. } => b"posix-rename@openssh.com",
            Extended::Fsync { .. } => b"fsync@openssh.com",
            Extended::Limits => b"limits@openssh.com",
            Extended::Statvfs { .. } => b"statvfs@openssh.com",
            Extended::Fstatvfs { .. } => b"fstatvfs@openssh.com",
            Extended::Lsetstat { .. } => b"lsetstat@openssh.com",
            Extended::ExpandPath { .. } => b"expand-path@openssh.com",
            Extended::HomeDirectory => b"home-directory",
            Extended::Hardlink => b"hardlink@openssh.com",
            Extended::CopyData(_) => b"copy-data",
            Extended::CheckFile(CheckFile { file: Checked::Name(_), .. }) => b"check-file-name",
            Extended::CheckFile(CheckFile { file: Checked::Handle(_), .. }) => b"check-file-handle",
            Extended::CheckFile(CheckFile { file: Checked::Paramiko(_), .. }) => CHECK_FILE,
            Extended::Other { name } => name,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One of each kind, made from the given parts.
    pub(in super::super) fn extended<'a>(
        a: &'a [u8],
        b: &'a [u8],
        n: u64,
        attributes: Attributes,
    ) -> Vec<Extended<'a>> {
        let check = |file| {
            Extended::CheckFile(CheckFile { file, algorithms: b, offset: n, length: n / 2, block_size: n as u32 })
        };
        vec![
            Extended::PosixRename { from: a, to: b },
            Extended::Fsync { handle: a },
            Extended::Limits,
            Extended::Statvfs { path: a },
            Extended::Fstatvfs { handle: a },
            Extended::Lsetstat { path: a, attributes },
            Extended::ExpandPath { path: a },
            Extended::HomeDirectory,
            Extended::Hardlink,
            Extended::CopyData(CopyData { from: a, from_offset: n, length: n / 3, to: b, to_offset: n / 5 }),
            check(Checked::Name(a)),
            check(Checked::Handle(a)),
            check(Checked::Paramiko(a)),
            Extended::Other { name: b"users-groups-by-id@openssh.com" },
        ]
    }
}
