#!/usr/bin/env python3
"""How fast files are received, beside the servers that people would otherwise install.

    python3 benches/receive.py [--runs N] [--only RACE,...] [--servers NAME,...] [--big-mib N] [--small N] [--json FILE]

Races: ftp-big, ftps-big, sftp-big (one file of 1 GiB by `lftp put`), ftp-small, ftps-small, sftp-small (5,000 files of 50 KB by
`lftp mirror -R --parallel=4`). In each, the servers take turns, one client and one server at a time, every turn with a server
of its own on an empty folder. A turn ends when the bytes are durable: reunite's when the client ends, since what it
acknowledged is on the disk with its digest and its row; the others' after the `sync` that they leave to their operator. Afterwards
it is counted whether every file is there in full length.

Prints per server the median of the wall time, its ratio to reunite's median (above 1: reunite is faster), and the processor
time that the server took until then. Peers are Debian's vsftpd, proftpd and pure-ftpd, unpacked into the target folder (they
cannot be installed beside each other), OpenSSH's sshd, and libunftp with unftp-sbe-fs, built from benches/receive_unftp. Needs
root (they do) and lftp. A peer that cannot run is named on standard error and left out. REUNITE names another program
than the release build.
"""

import argparse
import json
import os
import pathlib
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

import receive_servers

RACES = ["ftp-big", "ftps-big", "sftp-big", "ftp-small", "ftps-small", "sftp-small"]

WARM_BYTES = 3 << 30

LFTP = "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 60; set ssl:verify-certificate no; "
BY_PROTOCOL = {"ftp": "set ftp:ssl-allow no; ", "ftps": "set ftp:ssl-force yes; set ftp:ssl-protect-data yes; ", "sftp": ""}


def make_files(folder, big_mib, small):
    """Noise, which no file system and no cipher can shorten."""
    (folder / "big").mkdir()
    with open(folder / "big" / "film.bin", "wb") as file:
        for _ in range(big_mib):
            file.write(os.urandom(1 << 20))
    for n in range(small):
        place = folder / "small" / f"folder {n // 500:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"IMG_{n:05}.JPG").write_bytes(os.urandom(50_000))


def lengths(folder):
    return sorted(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def warm(work):
    """Takes as much memory for files as a turn will, and frees it: a virtual machine fetches memory that was free for some
    seconds from its host again, at the cost of whose turn it is."""
    scratch, block = work / "scratch", bytes(1 << 17)
    with open(scratch, "wb", buffering=0) as file:
        for _ in range(WARM_BYTES // len(block)):
            file.write(block)
    scratch.unlink()


def turn(server, race, files):
    """One server, one client: wall seconds, processor seconds of the server."""
    protocol, load = race.split("-")
    with server.running(protocol) as running:
        warm(files.parent)
        os.sync()
        send = f"put {files}/big/film.bin -o film.bin" if load == "big" else f"mirror -R --parallel=4 {files}/small small"
        script = f"{LFTP}{BY_PROTOCOL[protocol]}{running.lftp}; {send}; bye"
        begin = time.monotonic()
        subprocess.run(["lftp", "--norc", "-c", script], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        if not server.is_durable:
            os.sync()
        wall = time.monotonic() - begin
        processor = running.processor_seconds()
        arrived, sent = running.lengths(), lengths(files / load)
        if arrived != sent:
            raise RuntimeError(f"{len(arrived)} files of {sum(arrived)} bytes arrived, {len(sent)} of {sum(sent)} were sent")
    return wall, processor


def run(race, servers, files, runs):
    """The turns of a race: server's name -> [(wall, processor)]."""
    turns = {server.name: [] for server in servers if race.split("-")[0] in server.protocols}
    for n in range(runs):
        for server in servers:
            if server.name not in turns:
                continue
            try:
                turns[server.name].append(turn(server, race, files))
            except (OSError, RuntimeError, sqlite3.Error, subprocess.CalledProcessError) as fault:
                if server.is_durable:
                    raise
                print(f"{race}: {server.name} is left out, its turn {n + 1} failed: {fault}", file=sys.stderr)
                del turns[server.name]
    return turns


def show(race, turns):
    ours = statistics.median(wall for wall, _ in turns["reunite"])
    print(f"\n{race}\n  {'server':<12}{'wall s':>9}{'ratio':>8}{'cpu s':>8}   all walls")
    for name, of_server in turns.items():
        walls = [wall for wall, _ in of_server]
        median, processor = statistics.median(walls), statistics.median(cpu for _, cpu in of_server)
        listed = " ".join(f"{wall:.2f}" for wall in walls)
        print(f"  {name:<12}{median:>9.2f}{median / ours:>8.2f}{processor:>8.2f}   {listed}")
    sys.stdout.flush()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--only", default=",".join(RACES))
    options.add_argument("--servers", default="all")
    options.add_argument("--big-mib", type=int, default=1024)
    options.add_argument("--small", type=int, default=5000)
    options.add_argument("--json", type=pathlib.Path)
    given = options.parse_args()

    measured = {}
    work = pathlib.Path(tempfile.mkdtemp(prefix="receive-", dir=os.environ.get("TMPDIR", "/tmp")))
    try:
        work.chmod(0o755)
        subprocess.run(["chattr", "+T", work], check=False, capture_output=True)
        files = work / "files"
        files.mkdir()
        make_files(files, given.big_mib, given.small)
        servers = []
        for server in receive_servers.ALL:
            if given.servers != "all" and server.name not in given.servers.split(",") + ["reunite"]:
                continue
            try:
                server.prepare(work)
                servers.append(server)
            except (OSError, RuntimeError, subprocess.CalledProcessError) as fault:
                if server.is_durable:
                    raise
                print(f"{server.name} is left out: {fault}", file=sys.stderr)
        for race in given.only.split(","):
            measured[race] = run(race, servers, files, given.runs)
            show(race, measured[race])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if given.json:
        given.json.write_text(json.dumps(measured, indent=1) + "\n")


if __name__ == "__main__":
    main()
