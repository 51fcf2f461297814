#!/usr/bin/env python3
"""Makes a folder of hostile names and says on stdout, as JSON, what is in it.

    hostile_tree.py DIR [--without CLASS]... [--only CLASS]... [--list-classes]

The list has one object for each file: `path_base64` (raw bytes, below DIR, `/` between parts), `path` (the same for people,
undecodable bytes as \\x..), `size`, `sha256` and `class`. A test leaves out, with --without, the classes that the client
which it drives cannot send (`newline` and `cr` over FTP, for example); the classes are the point, so it should say why.

Contents are bytes made from the name alone, so every file differs and every run is the same.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
import unicodedata

CAFE = "café"


def names():
    """(class, path in bytes, size or None) of every file."""
    nfc = unicodedata.normalize("NFC", CAFE).encode()
    nfd = unicodedata.normalize("NFD", CAFE).encode()
    yield "plain", b"plain.jpg", None
    yield "plain", b"Folder/plain.jpg", None
    yield "case", b"FOLDER-case/Plain.JPG", None
    yield "case", b"FOLDER-case/plain.jpg", None
    yield "space", b"two words.jpg", None
    yield "space", b"a folder with spaces/three  in  a row.jpg", None
    yield "leading-space", b" leading space.jpg", None
    yield "trailing-space", b"trailing space.jpg ", None
    yield "trailing-dot", b"trailing dot.", None
    yield "leading-dash", b"-rf.jpg", None
    yield "leading-dash", b"--help", None
    yield "leading-dot", b".hidden.jpg", None
    yield "leading-dot", b".dot-folder/...", None
    yield "quote", b"it's.jpg", None
    yield "quote", b'say "cheese".jpg', None
    yield "quote", b"back`tick`.jpg", None
    yield "shell", b"$(id) $HOME && true | false.jpg", None
    yield "percent", b"100%.jpg", None
    yield "percent", b"%2e%2e%2fescape%00.jpg", None
    yield "percent", b"%s%n%x.jpg", None
    yield "semicolon", b"a;b.jpg", None
    yield "hash", b"#1.jpg", None
    yield "star", b"st*r.jpg", None
    yield "question", b"what?.jpg", None
    yield "bracket", b"[1]{2}(3)<4>.jpg", None
    yield "colon", b"c:colon.jpg", None
    yield "backslash", b"back\\slash.jpg", None
    yield "backslash", b"..\\..\\escape.jpg", None
    yield "tilde", b"~root.jpg", None
    yield "equals", b"=cmd|' -C calc'!A0.jpg", None
    yield "nfc", nfc + b".jpg", None
    yield "nfd", nfd + b".jpg", None
    yield "nfc", nfc + b"/" + "Ångström straße.jpg".encode(), None
    yield "emoji", "\U0001f3d6\ufe0f beach \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg".encode(), None
    yield "unicode", "写真/海.jpg".encode(), None
    yield "unicode", "صورة.jpg".encode(), None
    # Right-to-left override: shows as "gpj.exe" backwards.
    yield "bidi", "holiday\u202egpj.exe".encode(), None
    yield "latin1", b"caf\xe9.jpg", None
    yield "latin1", b"caf\xe8.jpg", None
    yield "latin1", b"\xe9t\xe9/plage \xe0 midi.jpg", None
    yield "control", b"bell\x07escape\x1b[31m.jpg", None
    yield "tab", b"tab\there.jpg", None
    yield "newline", b"new\nline.jpg", None
    yield "cr", b"carriage\rreturn.jpg", None
    yield "long", b"L" * 251 + b".jpg", None
    yield "long", "é".encode() * 125 + b"x.jpg", None
    yield "empty", b"empty.jpg", 0
    yield "deep", b"/".join(b"level-%02d" % depth for depth in range(1, 31)) + b"/deep.jpg", None


def content(path, size):
    """Bytes that belong to `path`: SHA-256 in counter mode; `size` None means 1 byte to 96 KiB, chosen by the name."""
    seed = hashlib.sha256(b"hostile tree\0" + path).digest()
    if size is None:
        size = 1 + int.from_bytes(seed[:4], "big") % (96 * 1024)
    blocks = (hashlib.sha256(seed + counter.to_bytes(8, "big")).digest() for counter in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def write_tree(folder, wanted):
    """Writes the files whose class is in `wanted` below `folder` and returns what to print."""
    report = []
    for kind, path, size in names():
        if kind not in wanted:
            continue
        data = content(path, size)
        place = os.path.join(os.fsencode(folder), path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        # "x": two names that this file system takes for one would silently become one file.
        with open(place, "xb") as file:
            file.write(data)
        report.append({
            "path_base64": base64.b64encode(path).decode(),
            "path": path.decode("utf-8", "backslashreplace"),
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "class": kind,
        })
    return report


def main():
    classes = sorted({kind for kind, _, _ in names()})
    parser = argparse.ArgumentParser(description="Makes a folder of hostile names; prints what is in it as JSON")
    parser.add_argument("dir", nargs="?", help="folder to make; must be new or empty")
    parser.add_argument("--without", action="append", default=[], choices=classes, metavar="CLASS")
    parser.add_argument("--only", action="append", default=[], choices=classes, metavar="CLASS")
    parser.add_argument("--list-classes", action="store_true", help="print the classes and stop")
    wish = parser.parse_args()
    if wish.list_classes:
        print("\n".join(classes))
        return
    if wish.dir is None:
        parser.error("which folder?")
    wanted = set(wish.only or classes) - set(wish.without)
    os.makedirs(wish.dir, exist_ok=True)
    try:
        report = write_tree(wish.dir, wanted)
    except OSError as error:
        sys.exit(f"hostile_tree: {error}; the folder must be empty and its file system must keep names as bytes")
    json.dump(report, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
