"""Holds the golden vectors against cbor2: same fields, keys in order, shortest forms."""
import json
import sys

import cbor2

for v in json.load(open(sys.argv[1], encoding="utf-8")):
    raw = bytes.fromhex(v["encoded"])
    got = cbor2.loads(raw)
    want = {1: 1, 2: v["type"], 3: bytes.fromhex(v["id"]), 4: v["hlc"], 5: v["at"], 6: v["by"]}
    if v.get("from"):
        want[7] = v["from"]
    if v.get("flags"):
        want[8] = v["flags"]
    want[9] = bytes.fromhex(v["payload"])
    if got != want:
        sys.exit(f"{v['name']}: got {got}, want {want}")
    if list(got) != sorted(got) or cbor2.dumps(want, canonical=True) != raw:
        sys.exit(f"{v['name']}: not canonical")
    cbor2.loads(want[9])
