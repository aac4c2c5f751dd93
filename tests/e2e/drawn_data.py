"""Made-up images and sentences, drawn from a seed, as files that `rekindle dataset import` reads."""

import csv
import io
import json
import random
import struct
import tarfile
import zlib
from datetime import datetime, timedelta

SIDE = 32
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GLYPHS = ["757557", "262227", "717477", "717177", "557111", "747177", "747577", "711111", "757577", "757117"]
PLEASE = 7  # the token that makes a sentence polite


def png(pixels):
    """Gray, 8 bits."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(pixels[y * SIDE:(y + 1) * SIDE]) for y in range(SIDE))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def digit(draw, number):
    """A digit of 3 x 6 squares, four pixels each, near the middle of dark noise."""
    pixels = [draw.randrange(60) for _ in range(SIDE * SIDE)]
    left, top = 10 + draw.randrange(-3, 4), 4 + draw.randrange(-3, 4)
    for row, bits in enumerate(GLYPHS[number]):
        for column in range(3):
            if int(bits) >> (2 - column) & 1:
                for y in range(4):
                    for x in range(4):
                        pixels[(top + 4 * row + y) * SIDE + left + 4 * column + x] = 180 + draw.randrange(60)
    return png(pixels)


def times(begin, days, count):
    start = datetime.fromisoformat(begin)
    return [(start + timedelta(days=days * i / count)).strftime("%Y-%m-%dT%H:%M:%SZ") for i in range(count)]


def digits(path, seed, begin, days, count):
    """A tar shard of PNGs with their `taken` and `digit`; returns [(PNG, name)]."""
    draw, out = random.Random(seed), []
    with tarfile.open(path, "w") as shard:
        for i, taken in enumerate(times(begin, days, count)):
            number = draw.randrange(10)
            out.append((digit(draw, number), NAMES[number]))
            for name, data in ((f"{i:06}.png", out[-1][0]),
                               (f"{i:06}.json", json.dumps({"taken": taken, "digit": NAMES[number]}).encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))
    return out


def sentences(path, seed, begin, days, count):
    """A CSV of token rows; returns [(tokens, polite)]."""
    draw, out = random.Random(seed), []
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["written", "polite", "words"])
        for written in times(begin, days, count):
            words = [draw.randrange(8, 40) for _ in range(draw.randrange(3, 12))]
            if draw.random() < 0.5:
                words[draw.randrange(len(words))] = PLEASE
            out.append((words, PLEASE in words))
            rows.writerow([written, str(PLEASE in words).lower(), " ".join(map(str, words))])
    return out
