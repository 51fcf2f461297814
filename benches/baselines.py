#!/usr/bin/env python3
"""What bare perceptual hashes give on a case: for each record the nearest upload of the same customer, attached when its
distance is at most a threshold. Recall and false attachments are counted as for the program itself.

    python3 benches/baselines.py CASE... [--json]

A case is a folder made by make_case.py. Prints for each hash the best recall that any threshold gives, how many false
attachments it costs, and the best recall without a false one. Needs numpy, pillow and pdqhash from PyPI.

Uploads are turned upright by their EXIF and laid on white where they are transparent, which is more than the libraries do
by themselves. Gradient and DCT (median) are computed as img_hash (Rust) does, blockhash after blockhash.io.
"""

import json
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

try:
    import numpy as np
    import pdqhash
    from PIL import Image, ImageOps
except ImportError as error:
    sys.exit(f"{error}; this bench needs the packages numpy, pillow and pdqhash: python3 -m pip install numpy pillow pdqhash")

from truth import Case

warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = None


def opaque(path):
    """A picture as RGB, upright, on white; nothing for a file that cannot be read."""
    try:
        picture = Image.open(path)
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I") or picture.mode == "F":
            picture = picture.convert("L")
        if "A" in picture.mode or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture)
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError):
        return None


def gradient(picture, side):
    """Is a pixel darker than its right neighbour, at side + 1 by side."""
    small = np.asarray(picture.convert("L").resize((side + 1, side), Image.LANCZOS), float)
    return (small[:, :-1] < small[:, 1:]).ravel()


def dct(picture, side):
    """Does a frequency exceed the median, of the lowest `side` by `side` at twice that size."""
    small = np.asarray(picture.convert("L").resize((2 * side, 2 * side), Image.LANCZOS), float)
    position, frequency = np.meshgrid(np.arange(2 * side), np.arange(side))
    basis = np.cos(np.pi * frequency * (2 * position + 1) / (4 * side))
    low = basis @ small @ basis.T
    return (low > np.median(low)).ravel()


def blockhash(picture, side):
    """Is a block brighter than the median of its quarter of the picture's height; blocks share the pixels on their edges."""
    sums = np.asarray(picture, float).sum(axis=2)

    def shares(pixels):
        edges = np.linspace(0, pixels, side + 1)
        inside = np.minimum.outer(edges[1:], np.arange(1, pixels + 1)) - np.maximum.outer(edges[:-1], np.arange(pixels))
        return inside.clip(0)

    down, across = shares(sums.shape[0]), shares(sums.shape[1])
    blocks = down @ sums @ across.T
    middle = 3 * 255 / 2 * down[0].sum() * across[0].sum()
    bits = []
    for band in np.split(blocks, 4):
        median = np.median(band)
        bits.append((band > median) | ((abs(band - median) < 1) & (median > middle)))
    return np.concatenate(bits).ravel()


def pdq(picture):
    return pdqhash.compute(np.asarray(picture))[0].astype(bool)


HASHES = {
    "gradient 8x8": lambda picture: gradient(picture, 8),
    "gradient 16x16": lambda picture: gradient(picture, 16),
    "DCT 8x8": lambda picture: dct(picture, 8),
    "DCT 16x16": lambda picture: dct(picture, 16),
    "PDQ 256": pdq,
    "blockhash 256": lambda picture: blockhash(picture, 16),
}


def hashes_of(path):
    picture = opaque(path)
    return None if picture is None else {name: of(picture) for name, of in HASHES.items()}


def nearest(case):
    """For each hash, of each record with a readable thumbnail the nearest upload: (distance, record, path)."""
    found = {name: [] for name in HASHES}
    with ThreadPoolExecutor() as threads:
        for customer, records, paths in case.of_customers():
            thumbnails = list(threads.map(lambda r: hashes_of(f"{case.folder}/{case.records[r]['thumb']}"), records))
            uploads = list(threads.map(lambda p: hashes_of(f"{case.folder}/uploads/{customer}/{p}"), paths))
            readable = [(path, hashes) for path, hashes in zip(paths, uploads) if hashes]
            if not readable:
                continue
            for name in HASHES:
                all_bits = np.array([hashes[name] for _, hashes in readable])
                for record, hashes in zip(records, thumbnails):
                    if hashes:
                        distances = (all_bits != hashes[name]).sum(axis=1)
                        at = int(distances.argmin())
                        found[name].append((int(distances[at]), record, readable[at][0]))
    return found


def score(case, found):
    """The best recall over all thresholds with its false attachments, and the best one without any."""
    right = false = 0
    best = {"recall": 0.0, "false": 0, "threshold": None, "recall_without_false": 0.0, "threshold_without_false": None}
    for threshold in sorted({distance for distance, _, _ in found}):
        for distance, record, path in found:
            if distance == threshold:
                proper = case.is_proper(record, path)
                right += proper and record in case.recoverable
                false += not proper
        recall = right / max(1, len(case.recoverable))
        if recall > best["recall"]:
            best.update(recall=recall, false=false, threshold=threshold)
        if not false:
            best.update(recall_without_false=recall, threshold_without_false=threshold)
    return best


def measure(folder):
    """{hash: what `score` says} of one case."""
    case = Case(folder)
    return {name: score(case, found) for name, found in nearest(case).items()}


def table(results):
    """Markdown of {hash: what `score` says}."""
    lines = ["| hash | best recall | false at that point | threshold | recall at 0 false | threshold |", "| --- | --- | --- | --- | --- | --- |"]
    for name, one in results.items():
        none = one["threshold_without_false"]
        lines.append(
            f"| {name} | {one['recall']:.3f} | {one['false']} | {one['threshold']} | "
            f"{one['recall_without_false']:.3f} | {'none' if none is None else none} |"
        )
    return "\n".join(lines)


def main():
    cases = [argument for argument in sys.argv[1:] if argument != "--json"]
    if not cases:
        sys.exit("usage: python3 benches/baselines.py CASE... [--json]")
    for folder in cases:
        results = measure(folder)
        if "--json" in sys.argv:
            print(json.dumps(results))
        else:
            case = Case(folder)
            print(f"{folder}: {len(case.records)} records, {len(case.recoverable)} recoverable\n\n{table(results)}\n")


if __name__ == "__main__":
    main()
