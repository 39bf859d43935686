"""Structured reference strings in EZKL's file format, made on this machine.

EZKL's own gen_srs computes the Lagrange points one by one; at 2^20 rows that alone would
take a good part of an hour, and it is no part of what is compared. So it makes the small
ones (and is timed there), larger ones are copied from a development SRS of Verdict's:
the points have the same encoding in both, only the frame around them differs. Either
way the secret was thrown away by nobody: for measurements only.
"""

import shutil
import struct
import subprocess

from common import SRS, VERDICT, Failure, tail

# Up to here gen_srs is used.
GENERATED = 15
# The largest development SRS that Verdict makes.
LARGEST = 24
G1_BYTES, G2_BYTES, HASH_BYTES = 64, 128, 32
# Magic, version, k, origin.
HEAD = struct.Struct("<8sIII")
MODULUS = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
# The generator of G2 (EIP-197): x = a + b·i, y = c + d·i.
G2 = (
    10857046999023057135944570762232829481370756359578518086990519993285655852781,
    11559732032986387107991004021392285783925812861821192530917403151452391805634,
    8495653923123431417604973247489272438418190587263600148770280649306958101930,
    4082367875863433681332203403145435568316851327593401208105741076214120093531,
)


def path(k):
    return SRS / f"kzg-{k}.srs"


def montgomery(value):
    """32 bytes of value·2^256 mod p, little-endian: how both tools store a coordinate."""
    return ((value << 256) % MODULUS).to_bytes(32, "little")


def convert(source, target):
    """Rewrites a Verdict SRS file (see crates/prover/src/srs/file.rs) for EZKL: k, powers,
    Lagrange points, both points of G2."""
    partial = target.with_suffix(".part")
    with open(source, "rb") as reader, open(partial, "wb") as writer:
        magic, version, k, _ = HEAD.unpack(reader.read(HEAD.size))
        if (magic, version) != (b"vrdctsrs", 1):
            raise Failure(f"{source} is no SRS of a version known here")
        tau = reader.read(G2_BYTES)
        reader.seek((k + 2) * HASH_BYTES, 1)
        writer.write(struct.pack("<I", k))
        shutil.copyfileobj(reader, writer, 1 << 24)
        writer.write(b"".join(map(montgomery, G2)) + tau)
    expected = 4 + ((2 * G1_BYTES) << k) + 2 * G2_BYTES
    if partial.stat().st_size != expected:
        raise Failure(f"{source} has another size than 2^{k} rows need")
    partial.replace(target)


def from_verdict(k, seconds):
    """Makes the SRS of 2^k rows with Verdict."""
    if k > LARGEST:
        raise Failure(f"EZKL wants 2^{k} rows; SRS files are made here up to 2^{LARGEST}")
    SRS.mkdir(parents=True, exist_ok=True)
    source = SRS / f"verdict-{k}.srs"
    command = [VERDICT, "srs", "dev", "--k", str(k), "--out", source]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, check=False)
    except subprocess.TimeoutExpired:
        raise Failure(f"the SRS of 2^{k} rows took longer than {seconds:.0f} s") from None
    if done.returncode:
        raise Failure(f"no SRS of 2^{k} rows: {tail(done.stderr)}")
    convert(source, path(k))
    source.unlink()
