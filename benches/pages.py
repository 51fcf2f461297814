#!/usr/bin/env python3
"""How fast the pages are, and whether they stay so: one customer with 500 missing records, then one with 50,000.

    python3 benches/pages.py [--records N,N] [--sent N] [--times N] [--browser NODE_MODULES] [--keep FOLDER]

Each catalogue is made as a shop would: records with a thumbnail each (64 x 48 pixels of spots of colour, no two alike) are
imported; of every hundred of the first --sent (10,000), ten come back by their digest, five are left to a person, three files match
nothing and two are no pictures (`reunite scan`); two of every hundred are given up, and every record stands in an order. Then a server of its own serves them on a port that the
system chooses. --keep makes the catalogues in FOLDER and uses them again.

Prints for every list page of customer, support and operator its size and the time from request to the last byte over a
connection that is kept, median of N, for both catalogues; the processor time of the server for the page of missing pictures, and how
many of them a second four connections get, which share the machine with the server. With --browser, a folder with playwright-core
and lighthouse (`npm install --ignore-scripts`): first paint in Chromium, median of nine, and what Lighthouse says of the main
pages, signed in. Asserts nothing. Needs Pillow. REUNITE names another program than the release build.
"""

import argparse
import base64
import contextlib
import hashlib
import http.client
import io
import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from PIL import Image, ImageEnhance

PROGRAM = os.environ.get("REUNITE", f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/release/reunite")
CONNECTIONS = 4
SECONDS = 5

# What each sees; {last} is a place near the end of the customer's missing pictures.
PAGES = {
    "customer": [
        "/customers/1", "/customers/1/missing", "/customers/1/missing?behind={last}", "/customers/1/missing?words=0499.JPG",
        "/customers/1/missing?size=small", "/customers/1/returned", "/customers/1/problems", "/customers/1/removed",
        "/customers/1/files", "/customers/1/files?state=problem", "/customers/1/connect",
    ],
    "support": [
        "/", "/matches", "/matches?verdict=review", "/matches?method=digest", "/review", "/files", "/files?state=unmatched",
        "/files?state=problem", "/search?q=0000499", "/search?q=unheard-of", "/removed", "/decisions", "/orders",
        "/orders?state=complete", "/uploads/{unmatched}",
    ],
    "operator": ["/status", "/metrics"],
}


def painted(chance, size):
    """A picture of soft spots that resembles no other."""
    spots = Image.frombytes("RGB", (12, 9), chance.randbytes(12 * 9 * 3))
    return spots.resize(size, Image.BICUBIC)


def jpeg(picture, quality):
    bytes_of = io.BytesIO()
    picture.save(bytes_of, "JPEG", quality=quality)
    return bytes_of.getvalue()


def make(records, sent_max, folder):
    """Records, files and orders of a shop, and what the program makes of them."""
    run = lambda *words, **more: subprocess.run(
        [PROGRAM, "--data", folder / "data", *map(str, words)], check=True, text=True, stdout=subprocess.DEVNULL, **more)
    chance, sent = random.Random(1), folder / "sent"
    sent.mkdir(parents=True)
    with open(folder / "records.csv", "w") as table, open(folder / "orders.csv", "w") as orders:
        table.write("record,customer,filename,width,height,sha256,taken_at,thumbnail\n")
        orders.write("order,record\n")
        for at in range(records):
            kind = at % 100 if at < sent_max or at % 100 >= 20 else 50
            large = kind < 15
            picture = painted(chance, (320, 240) if large else (64, 48))
            digest = ""
            if large:
                # An edited one is no proof of anything.
                whole = jpeg(picture if kind < 10 else ImageEnhance.Contrast(picture).enhance(0.7), 85)
                place = sent / f"folder {at // 1000:03}"
                place.mkdir(exist_ok=True)
                name = f"IMG_{at:07}.JPG" if kind < 10 else f"scan of page {at}.jpg"
                (place / name).write_bytes(whole)
                digest = hashlib.sha256(whole).hexdigest() if kind < 10 else ""
                picture = picture.resize((64, 48), Image.LANCZOS)
            elif kind < 18:
                (sent / f"other {at}.jpg").write_bytes(jpeg(painted(chance, (320, 240)), 85))
            elif kind < 20:
                (sent / f"notes {at}.jpg").write_text(f"no picture {at}")
            uri = "data:image/jpeg;base64," + base64.b64encode(jpeg(picture, 70)).decode()
            taken = f"20{10 + at % 10}-{1 + at % 12:02}-{1 + at % 28:02}T10:00:00"
            table.write(f'R{at:07},anna,IMG_{at:07}.JPG,{"," if large else "4000,3000"},{digest},{taken},"{uri}"\n')
            orders.write(f"O-{at // 4:07},R{at:07}\n")
    run("init", stderr=subprocess.DEVNULL)
    run("import", folder / "records.csv", stderr=subprocess.DEVNULL)
    run("customer", "passwd", "anna", input="secret\n")
    run("user", "add", "sue", "--role", "support", input="desk secret\n")
    given_up = [f"R{at:07}" for at in range(records) if at % 100 in (98, 99)]
    for first in range(0, len(given_up), 500):
        run("retire", "--why", "nobody has it", *given_up[first:first + 500])
    run("import-orders", folder / "orders.csv", stderr=subprocess.DEVNULL)
    run("scan", "--customer", "anna", sent, stderr=subprocess.DEVNULL)


class Server:
    def __init__(self, data):
        any_port = "127.0.0.1:0"
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [PROGRAM, "--data", data, "serve", "--ftp", any_port, "--sftp", any_port, "--web", any_port],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True)
        said = self.process.stdout.readline()
        self.log.seek(0)
        if not said.startswith("ready "):
            sys.exit(self.log.read())
        self.port = int(re.search(r"web=127\.0\.0\.1:(\d+)", said)[1])
        token = re.search(r"\?token=(\S+)", self.log.read())[1]
        self.cookies = {
            "customer": self.cookie("POST", "/sign-in", {"name": "anna", "password": "secret"}),
            "support": self.cookie("POST", "/sign-in/staff", {"name": "sue", "password": "desk secret"}),
            "operator": self.cookie("GET", f"/?token={token}", {}),
        }
        # Work that is left from before is not to be measured.
        subprocess.run([PROGRAM, "--data", data, "wait"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def cookie(self, method, path, form):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        connection.request(method, path, urllib.parse.urlencode(form) if form else None, headers if form else {})
        return connection.getresponse().headers["set-cookie"].split(";")[0]

    def processor_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.terminate()
        self.process.wait()


def ask(connection, cookie, path):
    connection.request("GET", path, headers={"Cookie": cookie, "Accept": "text/html"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def measure(server, times):
    """Role and page -> KiB, median ms."""
    found = {}
    for role, pages in PAGES.items():
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        _, files = ask(connection, server.cookies["support"], "/files?state=unmatched")
        unmatched = re.search(rb'href="/uploads/(\d+)', files)[1].decode()
        for page in pages:
            path = page.replace("{last}", str(server.last)).replace("{unmatched}", unmatched)
            status, body = ask(connection, server.cookies[role], path)
            if status != 200:
                sys.exit(f"{path} as {role}: {status}")
            walls = []
            for _ in range(times):
                begin = time.perf_counter()
                ask(connection, server.cookies[role], path)
                walls.append(time.perf_counter() - begin)
            found[role, page] = (len(body) / 1024, statistics.median(walls) * 1000)
    return found


def load(port, cookie, path, asked, ready):
    connection, count = http.client.HTTPConnection("127.0.0.1", port), 0
    ask(connection, cookie, path)
    ready.wait()
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        ask(connection, cookie, path)
        count += 1
    asked.put(count)


def rate(server, role, path):
    """Pages a second over several connections, and the server's processor time for one."""
    asked, ready = multiprocessing.Queue(), multiprocessing.Barrier(CONNECTIONS)
    arguments = (server.port, server.cookies[role], path, asked, ready)
    clients = [multiprocessing.Process(target=load, args=arguments) for _ in range(CONNECTIONS)]
    before = server.processor_seconds()
    for client in clients:
        client.start()
    count = sum(asked.get() for _ in clients)
    for client in clients:
        client.join()
    return count / SECONDS, (server.processor_seconds() - before) / count * 1000


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--records", default="500,50000")
    options.add_argument("--sent", type=int, default=10_000)
    options.add_argument("--times", type=int, default=30)
    options.add_argument("--browser", metavar="NODE_MODULES")
    options.add_argument("--keep", type=Path)
    given = options.parse_args()
    sizes = [int(size) for size in given.records.split(",")]
    tables = []
    with contextlib.ExitStack() as stack:
        kept = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pages-")))
        for records in sizes:
            folder = kept / str(records)
            if not folder.exists():
                begin = time.monotonic()
                make(records, given.sent, folder)
                print(f"{records} records made, imported and matched in {time.monotonic() - begin:.0f} s", flush=True)
            server = Server(folder / "data")
            stack.callback(server.process.kill)
            server.last = records - 130
            tables.append(measure(server, given.times))
            for role, path in [("customer", "/customers/1/missing"), ("customer", "/customers/1"), ("support", "/")]:
                a_second, processor = rate(server, role, path)
                print(f"{records} records, {path} as {role}: {a_second:.0f} pages a second over {CONNECTIONS} connections, "
                      f"{processor:.2f} ms of the server's processor time each", flush=True)
            if given.browser:
                script = Path(__file__).with_suffix(".mjs")
                cookies = [server.cookies[role] for role in ("customer", "support", "operator")]
                subprocess.run(["node", script, given.browser, f"http://127.0.0.1:{server.port}", *cookies], check=True)
            server.end()
    print(f"\n{'role':<10}{'page':<42}" + "".join(f"{f'{size}: KiB':>12}{'ms':>9}" for size in sizes))
    for role, page in tables[0]:
        print(f"{role:<10}{page:<42}" + "".join(f"{table[role, page][0]:>12.0f}{table[role, page][1]:>9.2f}" for table in tables))


if __name__ == "__main__":
    main()
