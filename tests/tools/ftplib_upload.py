#!/usr/bin/env python3
"""Uploads a folder with Python's ftplib, names as raw bytes, plain or over TLS.

    ftplib_upload.py HOST PORT USER DIR [--tls] [--remote PATH] [--skip-unsendable] [--verify]

The password comes from the environment variable FTP_PASSWORD, or as --password. The certificate is not checked: tests
have one of their own. Encoding latin-1 maps each byte of a name to one character and back, so any name goes over the
wire as it is; only CR and LF cannot, since they end a command (ftplib refuses them): a failure, or with
--skip-unsendable a line on stderr. Exit status 1 if a file was not acknowledged; each is named on stderr.
"""

import argparse
import ftplib
import os
import ssl
import sys

from local_tree import directories_of, files_below


def connect(wish):
    """A signed-in connection with a protected data channel if TLS is wished."""
    if wish.tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        ftp = ftplib.FTP_TLS(context=context, encoding="latin-1", timeout=wish.timeout)
    else:
        ftp = ftplib.FTP(encoding="latin-1", timeout=wish.timeout)
    ftp.connect(wish.host, wish.port)
    ftp.login(wish.user, wish.password)
    if wish.tls:
        ftp.prot_p()
    return ftp


def upload(ftp, remote, place, verify):
    """Sends one file; returns what went wrong, or None."""
    try:
        with open(place, "rb") as file:
            answer = ftp.storbinary(f"STOR {remote}", file, blocksize=1 << 17)
        if not answer.startswith("226"):
            return f"answered {answer!r}"
        size = ftp.size(remote) if verify else None
    except (ftplib.error_reply, ftplib.error_perm, ftplib.error_temp, ValueError) as error:
        return str(error)
    if verify and size != os.path.getsize(place):
        return f"SIZE says {size}, not {os.path.getsize(place)}"
    return None


def main():
    parser = argparse.ArgumentParser(description="Uploads a folder with ftplib, names as raw bytes")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("dir")
    parser.add_argument("--password", default=os.environ.get("FTP_PASSWORD", ""))
    parser.add_argument("--tls", action="store_true", help="AUTH TLS and PROT P")
    parser.add_argument("--remote", default="", help="folder on the server")
    parser.add_argument("--skip-unsendable", action="store_true", help="leave out names with CR or LF")
    parser.add_argument("--verify", action="store_true", help="ask SIZE after each file")
    parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for an answer")
    wish = parser.parse_args()

    prefix = os.fsencode(wish.remote.rstrip("/") + "/") if wish.remote else b""
    files = [(prefix + path, place) for path, place in files_below(wish.dir)]
    if wish.skip_unsendable:
        for path, _ in files:
            if b"\n" in path or b"\r" in path:
                print(f"skipped {path!r}: FTP cannot send CR or LF", file=sys.stderr)
        files = [file for file in files if b"\n" not in file[0] and b"\r" not in file[0]]

    ftp = connect(wish)
    failed = 0
    for directory in directories_of(path for path, _ in files):
        try:
            ftp.mkd(directory.decode("latin-1"))
        except (ftplib.error_perm, ValueError):
            # It exists, or cannot be sent; the files below will tell.
            pass
    for path, place in files:
        fault = upload(ftp, path.decode("latin-1"), place, wish.verify)
        if fault is not None:
            failed += 1
            print(f"{path!r}: {fault}", file=sys.stderr)
    ftp.quit()
    print(f"{len(files) - failed} of {len(files)} files uploaded")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
