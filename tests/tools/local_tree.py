"""What the upload scripts share: the files below a folder, names as raw bytes, and the directories that they need."""

import os


def files_below(folder):
    """(path below `folder` with `/` between parts, path to open) of every file, as bytes, in order of names."""
    root = os.fsencode(folder)
    found = []
    for place, _, files in os.walk(root):
        for name in files:
            full = os.path.join(place, name)
            found.append((os.path.relpath(full, root), full))
    return sorted(found)


def directories_of(paths):
    """Every directory that `paths` need, parents first."""
    needed = set()
    for path in paths:
        parent = os.path.dirname(path)
        while parent:
            needed.add(parent)
            parent = os.path.dirname(parent)
    return sorted(needed, key=lambda directory: (directory.count(b"/"), directory))
