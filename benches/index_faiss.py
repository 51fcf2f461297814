#!/usr/bin/env python3
"""The look-ups of benches/index.rs, asked of faiss (PyPI: faiss-cpu, numpy), for the same fingerprints.

    cargo bench --bench index -- --write FOLDER
    python3 benches/index_faiss.py FOLDER [QUESTIONS]        the first 20 questions unless told otherwise

A question is all views of one upload, and what is found is every thumbnail within the radius of any of them. Recall is
the share of what the exact scan (IndexBinaryFlat) finds. Times are processor time of one thread, as in the other bench.
"""
import sys
import time

import faiss
import numpy as np

folder, most = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
faiss.omp_set_num_threads(1)
thumbnails = np.fromfile(f"{folder}/thumbnails.bin", dtype=np.uint8).reshape(-1, 32)
views = np.fromfile(f"{folder}/views.bin", dtype=np.uint8).reshape(-1, 32)
ends = np.cumsum(np.loadtxt(f"{folder}/questions.txt", dtype=int))
questions = [views[end - count:end] for end, count in zip(ends, np.diff(ends, prepend=0))][:most]
print(f"faiss {faiss.__version__}, {len(thumbnails)} thumbnails, {len(questions)} questions, {len(views) / len(ends):.0f} views each")
print(f"{'one look-up':<42}{'radius':>7}{'median':>12}{'p99':>12}{'found each':>12}{'recall':>9}")


def measure(what, radius, look_up, expected=None):
    times, found = [], []
    for question in questions:
        began = time.thread_time()
        found.append(look_up(question))
        times.append(1e3 * (time.thread_time() - began))
    recall = ""
    if expected is not None:
        there = sum(map(len, expected))
        recall = f"{sum(len(a & b) for a, b in zip(found, expected)) / there:.4f}" if there else "-"
    each = sum(map(len, found)) / len(found)
    print(f"{what:<42}{radius:>7}{np.median(times):>10.1f}ms{np.quantile(times, .99):>10.1f}ms{each:>12.1f}{recall:>9}", flush=True)
    return found


def within(index, radius):
    # faiss gives what is nearer than the radius, ours what is as near or nearer.
    return lambda question: set(index.range_search(question, radius + 1)[2].tolist())


def nearest(index, radius, most):
    def look_up(question):
        distances, places = index.search(question, most)
        return set(places[(distances <= radius) & (places >= 0)].tolist())
    return look_up


flat = faiss.IndexBinaryFlat(256)
flat.add(thumbnails)
began = time.thread_time()
hashed = faiss.IndexBinaryMultiHash(256, 16, 16)
hashed.add(thumbnails)
print(f"{'':<4}IndexBinaryMultiHash of 16 words of 16 bits built in {time.thread_time() - began:.1f} s")
began = time.thread_time()
lists = faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(256), 256, 1024)
lists.train(thumbnails[:: max(1, len(thumbnails) // 50_000)])
lists.add(thumbnails)
print(f"{'':<4}IndexBinaryIVF of 1024 lists built in {time.thread_time() - began:.1f} s")

measure("Flat, the 64 nearest of each view", 92, nearest(flat, 92, 64))
for radius, flips in [(16, [1]), (31, [1]), (47, [2]), (63, [3]), (92, [2, 3])]:
    exact = measure("Flat, all", radius, within(flat, radius), None)
    for hashed.nflip in flips:
        measure(f"MultiHash, {hashed.nflip} bits flipped, all", radius, within(hashed, radius), exact)
    for lists.nprobe in [32, 256, 768]:
        measure(f"IVF, {lists.nprobe} lists probed, all", radius, within(lists, radius), exact)
