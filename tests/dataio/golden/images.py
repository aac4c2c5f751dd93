#!/usr/bin/env python3
"""Prints images.json: what Pillow decodes and scales, by SHA-256 of the pixels. Needs Pillow (11.3.0 made it)."""

import base64
import hashlib
import io
import json

from PIL import Image


def drawn(width, height):
    """The picture that images_test.cc draws too."""
    pixels = bytes((x * 7 + y * 13 + c * 50 + x * y) % 256 for y in range(height) for x in range(width) for c in range(3))
    return Image.frombytes("RGB", (width, height), pixels)


def smooth(width, height):
    pixels = bytes((x * 255 // width, y * 255 // height, 128)[c] for y in range(height) for x in range(width) for c in range(3))
    return Image.frombytes("RGB", (width, height), pixels)


def sha(image):
    return hashlib.sha256(image.tobytes()).hexdigest()


def encoded(image, name, **options):
    out = io.BytesIO()
    image.save(out, **options)
    decoded = Image.open(io.BytesIO(out.getvalue()))
    if decoded.mode == "RGBA":
        decoded = Image.alpha_composite(Image.new("RGBA", decoded.size, (0, 0, 0, 255)), decoded)
    return {"name": name, "base64": base64.b64encode(out.getvalue()).decode(), "width": decoded.width,
            "height": decoded.height, "rgb": sha(decoded.convert("RGB"))}


scaled = [{"from": [w, h], "to": [tw, th], "rgb": sha(drawn(w, h).resize((tw, th), Image.Resampling.BILINEAR))}
          for w, h, tw, th in [(20, 13, 8, 8), (20, 13, 32, 32), (64, 64, 32, 32), (5, 3, 17, 2), (33, 1, 8, 8), (16, 16, 16, 8),
                               (300, 200, 32, 32)]]
small = smooth(12, 9)
alpha = small.convert("RGBA")
alpha.putalpha(Image.frombytes("L", (12, 9), bytes(255 * (i % 2) for i in range(108))))
files = [
    encoded(small, "jpeg 4:2:0", format="JPEG", quality=90),
    encoded(small, "jpeg 4:4:4 progressive", format="JPEG", quality=70, subsampling=0, progressive=True),
    encoded(small.convert("L"), "jpeg gray", format="JPEG"),
    encoded(small, "png", format="PNG"),
    encoded(small.convert("L"), "png gray", format="PNG"),
    encoded(small.convert("P"), "png palette", format="PNG"),
    encoded(small.convert("1"), "png one bit", format="PNG"),
    encoded(alpha, "png alpha", format="PNG"),
]
cmyk = io.BytesIO()
small.convert("CMYK").save(cmyk, format="JPEG")
print(json.dumps({"scaled": scaled, "files": files, "cmyk": base64.b64encode(cmyk.getvalue()).decode()}, indent=1))
