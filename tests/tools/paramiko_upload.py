#!/usr/bin/env python3
"""Uploads a folder over SFTP with paramiko, names as raw bytes.

    paramiko_upload.py HOST PORT USER DIR [--key FILE] [--remote PATH]

The password comes from the environment variable SFTP_PASSWORD, or as --password; with --key a private key signs in. The
host key is not checked: tests make a new one each time. paramiko asks STAT after each file and compares the size. Exit
status 1 if a file was not acknowledged; each is named on stderr. Needs Debian's python3-paramiko, so run it with
/usr/bin/python3 where another Python comes first.
"""

import argparse
import os
import sys

import paramiko

from local_tree import directories_of, files_below


def main():
    parser = argparse.ArgumentParser(description="Uploads a folder with paramiko, names as raw bytes")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("dir")
    parser.add_argument("--password", default=os.environ.get("SFTP_PASSWORD"))
    parser.add_argument("--key", help="private key file")
    parser.add_argument("--remote", default="", help="folder on the server")
    wish = parser.parse_args()

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    secret = {"key_filename": wish.key} if wish.key else {"password": wish.password}
    try:
        client.connect(wish.host, wish.port, wish.user, allow_agent=False, look_for_keys=False, timeout=60, **secret)
        sys.exit(upload_all(client.open_sftp(), wish))
    finally:
        client.close()


def upload_all(sftp, wish):
    """Sends every file; the exit status."""
    prefix = os.fsencode(wish.remote.rstrip("/") + "/") if wish.remote else b""
    files = [(prefix + path, place) for path, place in files_below(wish.dir)]
    failed = 0
    for directory in directories_of(path for path, _ in files):
        try:
            sftp.mkdir(directory)
        except OSError:
            # It exists; if not, the files below will tell.
            pass
    for path, place in files:
        try:
            with open(place, "rb") as file:
                sftp.putfo(file, path, file_size=os.path.getsize(place), confirm=True)
        except (OSError, paramiko.SSHException) as error:
            failed += 1
            print(f"{path!r}: {error}", file=sys.stderr)
    print(f"{len(files) - failed} of {len(files)} files uploaded")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
