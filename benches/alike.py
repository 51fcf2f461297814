"""Records of one customer that lost different pictures and have thumbnails which nobody can tell apart."""

import collections

from PIL import Image, ImageChops, ImageStat

# Thumbnails count as alike when they differ by no more than 0.2 levels on average, as frames of a film do in which nothing
# moved, and nowhere by more than 2 levels over 8x8 pixels, as a changed digit on a card would.
MEAN_LEVELS = 0.2
BLOCK_LEVELS = 2


def alike(case):
    """Pairs (record, record) of a truth.Case, of at least one of which a right upload was sent."""
    of_size = collections.defaultdict(list)
    for record, row in sorted(case.records.items()):
        with Image.open(f"{case.folder}/{row['thumb']}") as thumbnail:
            pixels = thumbnail.convert("RGBA")
        # Means over a quarter of a picture differ by at most four times the mean of all: a quick way to leave most pairs out.
        sketch = pixels.resize((2, 2), Image.BOX).tobytes()
        of_size[row["customer"], pixels.size].append((record, pixels, sketch))
    pairs = []
    for thumbnails in of_size.values():
        for at, (one, one_pixels, one_sketch) in enumerate(thumbnails):
            for other, other_pixels, other_sketch in thumbnails[at + 1 :]:
                if max(abs(a - b) for a, b in zip(one_sketch, other_sketch)) > MEAN_LEVELS * 4 + 1:
                    continue
                if case.made[one]["source"] == case.made[other]["source"]:
                    continue
                if not {one, other} & case.recoverable:
                    continue
                difference = ImageChops.difference(one_pixels, other_pixels)
                blocks = difference.reduce(8).getextrema()
                means = ImageStat.Stat(difference).mean
                if max(high for _, high in blocks) <= BLOCK_LEVELS and max(means) <= MEAN_LEVELS:
                    pairs.append((one, other))
    return pairs
