#!/usr/bin/env python3
"""How small documents become in a compacted store: the zarr.json of a plate as OME-NGFF 0.5 has it, and the metadata of
images, one JSON object each. Beside zstd 3, each document alone, and with a trained dictionary of 4 KiB (apt-get
install zstd).

    documents.py [--holog build/tools/holog] [--documents 4000]

What is counted of ours is the compressed segment as a file: documents, their records (paths, hashes, directories) and its
tables; not the index, as little as the names that zstd leaves to the file system. The documents are made here, with a fixed
seed.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile


def multiscales(name):
    axes = [{"name": "c", "type": "channel"}] + [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    levels = [{"path": str(k), "coordinateTransformations": [{"type": "scale", "scale":
               [1.0, 2.0, 0.325 * 2 ** k, 0.325 * 2 ** k]}]} for k in range(3)]
    omero = {"channels": [{"label": label, "color": color, "active": True,
                           "window": {"min": 0, "max": 65535, "start": 100, "end": 4000}}
                          for label, color in (("DAPI", "0000FF"), ("GFP", "00FF00"), ("Cy5", "FF0000"))]}
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {
        "version": "0.5", "multiscales": [{"name": name, "axes": axes, "datasets": levels}], "omero": omero}}}


def array(level):
    side = 2048 >> level
    return {"zarr_format": 3, "node_type": "array", "shape": [3, 12, side, side], "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 1, 512, 512]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": 0,
            "codecs": [{"name": "bytes", "configuration": {"endian": "little"}},
                       {"name": "zstd", "configuration": {"level": 3, "checksum": False}}],
            "attributes": {}, "dimension_names": ["c", "z", "y", "x"]}


def plate(count):
    made = 0
    for row in "ABCDEFGHIJKLMNOP":
        for column in range(1, 25):
            for field in range(9):
                at = f"{row}/{column}/{field}"
                documents = [(f"{at}/zarr.json", multiscales(f"{row}{column:02d}_{field}"))]
                documents += [(f"{at}/{k}/zarr.json", array(k)) for k in range(3)]
                for document in documents:
                    yield document
                    made += 1
                    if made == count:
                        return


def metadata(count):
    r = random.Random(7)
    x, y, start = 0.0, 0.0, 1763712000.0
    for i in range(count):
        well, field, channel = i // 36, i // 4 % 9, i % 4
        if channel == 0:
            x = 9000.0 * (well % 12) + 650.0 * (field % 3) + r.uniform(-0.5, 0.5)
            y = 9000.0 * (well // 12) + 650.0 * (field // 3) + r.uniform(-0.5, 0.5)
        start += r.uniform(0.18, 0.22)
        yield (f"plane{i:05d}.json", {
            "Channel": ["DAPI", "GFP", "TRITC", "Cy5"][channel], "ChannelIndex": channel, "PositionIndex": field,
            "PositionName": f"{'ABCDEFGH'[well // 12 % 8]}{well % 12 + 1:02d}-Site_{field}", "Exposure-ms": [20, 50, 100, 80][channel],
            "XPositionUm": round(x, 2), "YPositionUm": round(y, 2), "ZPositionUm": round(3012 + r.uniform(-6, 6), 3),
            "ElapsedTime-ms": round((start - 1763712000.0) * 1000, 1), "Camera": "Andor sCMOS", "Binning": "1", "BitDepth": 16,
            "PixelSizeUm": 0.325, "Width": 2048, "Height": 2048, "PixelType": "GRAY16", "Mean": round(r.uniform(150, 900), 2)})


def stored(holog, store, documents):
    """Bytes of the compressed segments, and what the command says of their codecs."""
    def run(*args, text=None):
        return subprocess.run([holog, *args], input=text, check=True, capture_output=True, text=True).stdout
    run("init", store)
    lines = [json.dumps({"op": "save", "path": path, "text": text, "parents": True}) for path, text in documents]
    run("batch", store, text="\n".join(lines))
    run("gc", store, "--keep", "1")
    run("compact", "--purge", store)
    return sum(p.stat().st_size for p in pathlib.Path(store, "seg").glob("*.hwp"))


def zstd(folder, documents, dictionary):
    source, out = folder / "documents", folder / ("with" if dictionary else "alone")
    source.mkdir(exist_ok=True)
    out.mkdir()
    for i, (_, text) in enumerate(documents):
        (source / f"{i:06d}").write_text(text, encoding="utf-8")
    args = ["zstd", "-q", "-3", "--no-check", "-r", "--output-dir-flat", str(out), str(source)]
    if dictionary:
        trained = folder / "dictionary"
        half = [str(source / f"{i:06d}") for i in range(0, len(documents), 2)]
        subprocess.run(["zstd", "-q", "--train", "--maxdict=4096", "-o", str(trained), *half], check=True,
                       stderr=subprocess.DEVNULL)
        args += ["-D", str(trained)]
    subprocess.run(args, check=True)
    return sum(p.stat().st_size for p in out.iterdir())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--holog", default="build/tools/holog")
    parser.add_argument("--documents", type=int, default=4000)
    args = parser.parse_args()
    for name, make, floor in (("zarr.json", plate, 20), ("image metadata", metadata, 4)):
        documents = [(path, json.dumps(document)) for path, document in make(args.documents)]
        raw = sum(len(text) for _, text in documents)
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            ours = raw / stored(os.path.abspath(args.holog), str(folder / "store"), documents)
            alone, trained = (raw / zstd(folder, documents, d) for d in (False, True))
        print(f"{name}: {len(documents)} of {raw // len(documents)} bytes\n"
              f"    compacted             {ours:6.2f}\n"
              f"    zstd 3, each alone    {alone:6.2f}\n"
              f"    with a dictionary     {trained:6.2f}\n"
              f"    {'met   ' if ours >= floor else 'MISSED'}  at least {floor}", flush=True)


main()
