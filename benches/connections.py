#!/usr/bin/env python3
"""Many connections at once: does everybody get in, is nothing lost, how much memory does it take, how soon is an answer there?

    python3 benches/connections.py [--connections N] [--uploading N] [--files N] [--bytes N] [--half-open N] [--seconds N]

First, N connections (1,000, the default cap, over ten addresses of this machine and ten customers) sign in over FTP and stay; a
part of them (200) uploads files one after the other, while the others ask NOOP. Nobody may be refused, the server may take 300
MiB at most, and each file that was acknowledged has to be in the catalogue with its digest. Then, half-open logins (5,000) come
from fifty addresses and come again when they are cut, and a client that means it has to get in among them, sign in and upload.

Prints what it measured, and ends with 1 where one of these does not hold. Latencies are reported, not judged: they tell more of
the machine. REUNITE names the program.
"""

import argparse
import asyncio
import contextlib
import hashlib
import os
import pathlib
import random
import re
import resource
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

MEMORY_MAX = 300 << 20
PER_ADDRESS = 100
PER_CUSTOMER = 100
ANSWER_MAX = 30


class Refused(Exception):
    """The server did not do what it was asked."""


class Ftp:
    """As much of a client as this takes, over asyncio."""

    def __init__(self, port, source):
        self.port, self.source = port, source

    async def connect(self, source=None):
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source, 0))

    async def sign_in(self, name):
        self.reader, self.writer = await self.connect()
        await self.expect(None, "220")
        await self.expect(f"USER {name}", "331")
        await self.expect("PASS secret", "230")

    async def expect(self, command, code):
        if command is not None:
            self.writer.write(command.encode() + b"\r\n")
        try:
            line = await asyncio.wait_for(self.reader.readline(), ANSWER_MAX)
        except asyncio.TimeoutError:
            raise Refused(f"{command}: no answer within {ANSWER_MAX} s") from None
        if not line.startswith(code.encode()):
            raise Refused(f"{command}: {line!r}")
        return line.decode()

    async def store(self, name, body):
        port = int(re.search(r"\|\|\|(\d+)\|", await self.expect("EPSV", "229"))[1])
        _, data = await asyncio.open_connection("127.0.0.1", port, local_addr=(self.source, 0))
        await self.expect(f"STOR {name}", "150")
        data.write(body)
        await data.drain()
        data.close()
        await data.wait_closed()
        await self.expect(None, "226")

    def close(self):
        with contextlib.suppress(AttributeError, OSError):
            self.writer.close()


class Server:
    def __init__(self, customers):
        self.program = os.environ.get("REUNITE", "reunite")
        self.data = pathlib.Path(tempfile.mkdtemp(prefix="connections-"))
        self.run("init")
        for name in customers:
            self.run("customer", "add", name, input="secret\n")
        any_port = "127.0.0.1:0"
        # Not the limit of the shell that runs this: the server is to raise its own.
        low = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        self.process = subprocess.Popen(
            [self.program, "--data", self.data, "serve", "--ftp", any_port, "--sftp", any_port, "--web", any_port],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(self.data / "log", "wb"), text=True, preexec_fn=low)
        said = self.process.stdout.readline()
        if not said.startswith("ready "):
            raise Refused((self.data / "log").read_text()[-500:])
        self.port = int(re.search(r"ftp=127\.0\.0\.1:(\d+)", said)[1])

    def run(self, *words, **more):
        more = {"stdin": subprocess.DEVNULL, **more} if "input" not in more else more
        subprocess.run([self.program, "--data", self.data, *words], check=True, text=True, stdout=subprocess.DEVNULL, **more)

    def memory_bytes_max(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10

    def kept(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.data}/catalogue.sqlite?mode=ro", uri=True)) as catalogue:
            rows = catalogue.execute("SELECT c.name, u.path, u.sha256 FROM uploads u JOIN customers c ON c.id = u.customer")
            return {(name, path.decode(), digest.hex()) for name, path, digest in rows}

    def end(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.data)


def percentiles(seconds):
    ordered = sorted(seconds)
    at = lambda part: ordered[min(len(ordered) - 1, int(len(ordered) * part))] * 1000
    return f"median {at(.5):.1f} ms, 99 of 100 within {at(.99):.1f} ms, at most {ordered[-1] * 1000:.1f} ms ({len(ordered)} asked)"


async def crowd(server, customers, given):
    """The connections, what was acknowledged, the latencies of NOOP, and who was refused."""
    acknowledged, latencies, refused = set(), [], []
    clients = [Ftp(server.port, f"127.0.1.{1 + n // PER_ADDRESS}") for n in range(given.connections)]
    names = [customers[n // PER_CUSTOMER] for n in range(given.connections)]

    async def attempt(work):
        try:
            return await work
        except (Refused, OSError, asyncio.IncompleteReadError) as fault:
            refused.append(str(fault))

    begin = time.monotonic()
    await asyncio.gather(*(attempt(client.sign_in(name)) for client, name in zip(clients, names)))
    print(f"{given.connections} connections signed in after {time.monotonic() - begin:.1f} s, {len(refused)} were refused")
    # Every fifth, so that each address and each customer has some.
    step = max(1, given.connections // given.uploading)
    uploading = range(0, step * given.uploading, step)
    done = asyncio.Event()

    async def upload(n):
        for number in range(given.files):
            body = random.Random(f"{n} {number}").randbytes(given.bytes)
            name = f"client {n}/file {number}.bin"
            await clients[n].store(name, body)
            acknowledged.add((names[n], name, hashlib.sha256(body).hexdigest()))

    async def ask(n):
        while not done.is_set():
            begin = time.monotonic()
            await clients[n].expect("NOOP", "200")
            latencies.append(time.monotonic() - begin)
            await asyncio.sleep(random.uniform(2, 4))

    asking = [asyncio.create_task(attempt(ask(n))) for n in range(given.connections) if n not in uploading]
    begin = time.monotonic()
    await asyncio.gather(*(attempt(upload(n)) for n in uploading))
    took = time.monotonic() - begin
    done.set()
    await asyncio.gather(*asking)
    megabytes = given.uploading * given.files * given.bytes / 1e6
    print(f"{given.uploading} of them uploaded {len(acknowledged)} files, {megabytes:.0f} MB, in {took:.1f} s")
    print(f"NOOP meanwhile: {percentiles(latencies)}")
    for client in clients:
        client.close()
    return acknowledged, refused


async def besieged(server, name, given):
    """Half-open logins that come again and again; the attempts of a client that means it."""
    over, opened = asyncio.Event(), [0]

    async def half_open(n):
        while not over.is_set():
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", server.port, local_addr=(f"127.0.2.{1 + n % 50}", 0))
                opened[0] += 1
                # One byte now and then, never a line.
                while not reader.at_eof() and not over.is_set():
                    writer.write(b"U")
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(reader.read(100), 5)
                writer.close()
            await asyncio.sleep(random.uniform(.5, 1.5))

    siege = [asyncio.create_task(half_open(n)) for n in range(given.half_open)]
    await asyncio.sleep(5)
    times, kept, failures, end = [], set(), [], time.monotonic() + given.seconds
    while time.monotonic() < end:
        client, begin, body = Ftp(server.port, "127.0.3.1"), time.monotonic(), os.urandom(50_000)
        try:
            await client.sign_in(name)
            await client.store(f"besieged {len(times)}.bin", body)
            times.append(time.monotonic() - begin)
            kept.add((name, f"besieged {len(times) - 1}.bin", hashlib.sha256(body).hexdigest()))
        except (Refused, OSError, asyncio.IncompleteReadError) as fault:
            failures.append(str(fault))
        client.close()
        await asyncio.sleep(.5)
    over.set()
    await asyncio.gather(*siege)
    print(f"{given.half_open} half-open logins, {opened[0]} connections of theirs: a real client got in and uploaded "
          f"{len(times)} times of {len(times) + len(failures)}; {percentiles(times) if times else failures[:3]}")
    return kept, failures


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--connections", type=int, default=1000)
    options.add_argument("--uploading", type=int, default=200)
    options.add_argument("--files", type=int, default=10)
    options.add_argument("--bytes", type=int, default=1_000_000)
    options.add_argument("--half-open", type=int, default=5000)
    options.add_argument("--seconds", type=int, default=20)
    given = options.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    customers = [f"customer{n}" for n in range(-(-given.connections // PER_CUSTOMER) + 1)]
    server, broken = Server(customers), []
    try:
        acknowledged, refused = asyncio.run(crowd(server, customers, given))
        memory = server.memory_bytes_max()
        lost = acknowledged - server.kept()
        print(f"memory at most {memory >> 20} MiB; {len(refused)} refused; {len(lost)} files lost")
        broken += refused[:3]
        broken += [f"lost: {file}" for file in list(lost)[:3]]
        if memory > MEMORY_MAX:
            broken.append(f"the server took {memory >> 20} MiB")
        # Those of the crowd have to be gone, since they have places that only they can give back.
        time.sleep(1)
        kept, failures = asyncio.run(besieged(server, customers[-1], given))
        broken += failures[:3] + [f"lost: {file}" for file in list(kept - server.kept())[:3]]
        print(f"memory at most {server.memory_bytes_max() >> 20} MiB after it")
        said = (server.data / "log").read_text().splitlines()
        unusual = [line for line in said if "another took its place" not in line and "too many are open" not in line]
        print(f"the log has {len(said)} lines" + "".join(f"\n  {line}" for line in unusual[:5]))
    finally:
        server.end()
    if broken:
        sys.exit("does not hold: " + "; ".join(broken))


if __name__ == "__main__":
    main()
