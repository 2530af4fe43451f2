"""Reads bundles or other CBOR in hex, one a line, with an independent decoder (python3-cbor2), and writes what they say as JSON, one a line.

A bundle must be an indefinite array of blocks; every block, and every block's data that is CBOR, must be in canonical form; every CRC must hold.
Check values become "crc". Byte strings become "h'..'".
"""
import io
import json
import sys

import cbor2

CBOR_BLOCKS = {6, 7, 10, 11, 12, 193, 214}


def crc(octets, width, poly):
    """The bitwise form of a reflected CRC that begins and ends with all ones."""
    mask = (1 << width) - 1
    value = mask
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (poly if value & 1 else 0)
    return (value ^ mask).to_bytes(width // 8, "big")


def canonical(octets):
    """All items in octets, each of which must be as short as it can be."""
    stream = io.BytesIO(octets)
    decoder = cbor2.CBORDecoder(stream)
    items = []
    while stream.tell() < len(octets):
        start = stream.tell()
        item = decoder.decode()
        assert cbor2.dumps(item, canonical=True) == octets[start : stream.tell()], "not canonical: " + octets.hex()
        items.append(item)
    return items


def block(item):
    kind = item[2] if item is PRIMARY else item[3]
    if kind:
        width, poly = (16, 0x8408) if kind == 1 else (32, 0x82F63B78)
        zeroed = cbor2.dumps(item[:-1] + [bytes(width // 8)], canonical=True)
        assert item[-1] == crc(zeroed, width, poly), "CRC " + item[-1].hex()
        item[-1] = "crc"
    if item is not PRIMARY and item[0] in CBOR_BLOCKS:
        item[4] = canonical(item[4])
    return item


def plain(item):
    if isinstance(item, bytes):
        return "h'" + item.hex() + "'"
    if isinstance(item, (list, tuple)):
        return [plain(i) for i in item]
    return item


for line in sys.stdin:
    raw = bytes.fromhex(line)
    if raw[0] != 0x9F:
        print(json.dumps(plain(canonical(raw))))
        continue
    blocks = cbor2.loads(raw)
    assert raw == b"\x9f" + b"".join(cbor2.dumps(b, canonical=True) for b in blocks) + b"\xff", "not canonical: " + line
    PRIMARY = blocks[0]
    print(json.dumps(plain([block(b) for b in blocks])))
