//! The ways in: FTP, FTPS, SFTP, the watched folder.
