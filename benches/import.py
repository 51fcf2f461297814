#!/usr/bin/env python3
"""How long the import of one customer's records takes, a million by default, and what it leaves.

    python3 benches/import.py [RECORDS]

Each record has a thumbnail of its own, 64 x 48 pixels as a JPEG in a data: URI: two random crops of the painted pictures in
fixtures/originals, blended, as in benches/index.rs, so that fingerprints lie as far apart as those of unlike pictures. Every
one is read, checked and looked at by the decode children, as in any import. Then the same file is imported again, when
nothing is new. Prints records a second by the clock, processor time, the largest resident size and the catalogue's size.
Needs Pillow. REUNITE names another program than the release build.
"""

import base64
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

records = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
program = os.environ.get("REUNITE", f"{os.environ.get('CARGO_TARGET_DIR', 'target')}/release/reunite")


def album():
    """The fixtures, small enough that taking a crop of one costs little."""
    folder = Path(__file__).resolve().parent.parent / "fixtures/originals"
    pictures = []
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as picture:
            picture.draft("RGB", (256, 256))
            pictures.append(picture.convert("RGB"))
    return pictures


def crop(pictures, chance):
    picture = chance.choice(pictures)
    across = picture.width * chance.randint(400, 999) // 1000
    down = min(across * 3 // 4, picture.height)
    left, top = chance.randint(0, picture.width - across), chance.randint(0, picture.height - down)
    part = picture.resize((64, 48), Image.NEAREST, (left, top, left + across, top + down))
    return part.transpose(Image.FLIP_LEFT_RIGHT) if chance.random() < 0.5 else part


def make(path):
    pictures, chance = album(), random.Random(1)
    with open(path, "w") as file:
        file.write("record,customer,filename,width,height,thumbnail\n")
        for at in range(records):
            blended = Image.blend(crop(pictures, chance), crop(pictures, chance), chance.random() / 2)
            jpeg = io.BytesIO()
            blended.save(jpeg, "JPEG", quality=70)
            uri = "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()
            file.write(f'R{at:07},everybody,IMG_{at:07}.JPG,4000,3000,"{uri}"\n')


def run(what, command, env):
    began = time.monotonic()
    process = subprocess.Popen(command, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command} ended with {process.returncode}")
    seconds = time.monotonic() - began
    print(
        f"{what}: {seconds:.1f} s, {records / seconds:.0f} records a second; processor {usage.ru_utime + usage.ru_stime:.1f} s; "
        f"largest process {usage.ru_maxrss / 1024:.0f} MiB",
        flush=True,
    )


with tempfile.TemporaryDirectory() as scratch:
    scratch = Path(scratch)
    began = time.monotonic()
    make(scratch / "records.csv")
    size = (scratch / "records.csv").stat().st_size / 1e6
    print(f"{records} records made up in {time.monotonic() - began:.0f} s: {size:.0f} MB", flush=True)
    env = {**os.environ, "REUNITE_DATA": str(scratch / "data")}
    subprocess.run([program, "init"], env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for what in ["import", "the same again"]:
        run(what, [program, "import", str(scratch / "records.csv")], env)
    catalogue = sum(file.stat().st_size for file in (scratch / "data").glob("catalogue.sqlite*"))
    print(f"catalogue: {catalogue / 1e6:.0f} MB")
