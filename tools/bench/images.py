"""The ResNet part of `./dev bench trainer`: images as a tar shard, and the same network under torchrun."""

import io
import json
import random
import struct
import tarfile
import zlib

import measure
import programs

SIZE, CLASSES, IMAGES = 32, 4, 2400
MODEL = {"width": 16, "blocks": [2, 2, 2]}
BATCH = 64
PEER = {**MODEL, "size": SIZE, "classes": CLASSES, "batch": BATCH, "images": IMAGES, "steps": 60}


def png(pixels):
    """An 8-bit RGB PNG of SIZE x SIZE bytes * 3."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[y * SIZE * 3:(y + 1) * SIZE * 3] for y in range(SIZE))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def write_images(folder):
    """Noise whose brightness in one corner is the class."""
    draw = random.Random(2)
    with tarfile.open(folder / "images-0.tar", "w") as out:
        def add(name, data):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        for i in range(IMAGES):
            kind = draw.randrange(CLASSES)
            pixels = bytearray(draw.randbytes(SIZE * SIZE * 3))
            for y in range(8):
                for x in range(24):
                    pixels[(y * SIZE + x) * 3 + kind % 3] = 60 * kind + 20
            minute = i * 20
            told = {"taken": f"2013-{1 + minute // 43200:02}-{1 + minute // 1440 % 30:02}T{minute // 60 % 24:02}:{minute % 60:02}:00Z",
                    "kind": f"k{kind}"}
            add(f"{i:06}.png", png(bytes(pixels)))
            add(f"{i:06}.json", json.dumps(told).encode())
    (folder / "images.yaml").write_text("""rekindle: 1
dataset: images
rows: {shards: "images-*.tar"}
keep: [taken, image, kind]
time: taken
""")
    return folder / "images.yaml"


def spec(name, ranks):
    return f"""rekindle: 1
name: {name}
data:
  initial: images@all
  time: taken
  label: {{column: kind, kind: multiclass, classes: [{', '.join(f'k{i}' for i in range(CLASSES))}], matures: 1d}}
  image: image
train:
  model: {{cnn: {{size: {SIZE}, width: {MODEL['width']}, blocks: {MODEL['blocks']}}}}}
  batch: {BATCH * ranks}
  stop: {{epochs: 2, patience: 0}}
  ranks: {{count: {ranks}}}
  validation: 1%
gate: {{holdout: 1d}}
"""


def run(ours, options):
    ours.import_rows(write_images(ours.folder), ours.folder)
    ours.apply("bench-resnet", spec("bench-resnet", 1))

    def peer():
        return programs.torchrun(options.peer, "resnet_peer.py", 1, json.dumps(PEER))[0]

    def mine():
        return {"steps_per_second": ours.sample("bench-resnet")["steps"]}

    samples = measure.interleaved({"ours": mine, "peer": peer}, max(3, options.pairs // 2), warm=False,
                                  say=lambda s: ", ".join(f"{arm} {x['steps_per_second']:.2f} steps/s" for arm, x in s.items()))
    gemm = max(s["gemm_gflops"] for s in samples["peer"])
    need = samples["peer"][0]["gflop_per_step"]
    column = lambda arm: [s["steps_per_second"] for s in samples[arm]]  # noqa: E731
    return [measure.result(f"ResNet {MODEL['width']}x{MODEL['blocks']} at {SIZE}x{SIZE}, batch {BATCH}, 1 rank", "steps/s",
                           column("ours"), column("peer"), "PyTorch DDP, 1 rank, same network and thread", False,
                           f"{need:.1f} GFLOP a step at {gemm:.0f} GFLOP/s of this core's matrix product: "
                           f"{gemm / need:.2f} steps/s", goal=0.98,
                           remark="ours includes a validation of 1% of the rows after each epoch")]
