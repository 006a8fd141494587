"""Checks what may stand in for a record that gives no answer (`src/cache/fill.rs`, `src/tier/directory/doubt.rs`)."""
import sys
from model import Model, search

A, AB, AGONE = ("a",), ("a", "b"), ("a", None)
BASE = dict(announce=True, record_vouches=False, nocache=True, forget="mark", doubters=0)
ONE = dict(readers=(0, 1), reads=2, tick=1, evictors=1, **BASE)
FORGET = dict(readers=(0, 1, 2), reads=1, absent=True, **BASE)
RUNS = {
    "P1 any body in hand, the named body taken away": (A, dict(standin="hand", evict_bodies="named", **ONE)),
    "P2 any body in hand, all bodies taken away": (A, dict(standin="hand", **ONE)),
    "P3 only while its file is there, the named body taken away": (A, dict(standin="file", evict_bodies="named", **ONE)),
    "P4 ours": (A, dict(standin="file", **ONE)),
    "P5 ours, one change": (AB, dict(standin="file", **{**ONE, "tick": 0})),
    "P6 ours, two evictions": (A, dict(standin="file", **{**ONE, "evictors": 2, "reads": 1, "tick": 0})),
    "P7 ours, a doubt besides": (A, dict(standin="file", **{**ONE, "doubters": 1, "reads": 1, "tick": 0})),
    "P8 ours, three readers": (A, dict(standin="file", **{**ONE, "readers": (0, 1, 1), "reads": 1, "tick": 0})),
    "P9 ours, crash": (A, dict(standin="file", crash=1, **{**ONE, "reads": 1, "tick": 0})),
    "P10 gone from the record, the named body taken away": (AGONE, dict(standin="file", evict_bodies="named", **{**FORGET, "forget": "evict"})),
    "P11 gone from the record, another's token is left": (AGONE, dict(standin="file", **{**FORGET, "forget": "evict"})),
    "P12 gone from the record, ours": (AGONE, dict(standin="file", **FORGET)),
    "P13 gone from the record, an eviction besides, a token without a mark is left":
        (AGONE, dict(standin="file", overtaken=False, evictors=1, **{**FORGET, "forget": "markonly"})),
    "P14 gone from the record, an eviction besides, ours": (AGONE, dict(standin="file", evictors=1, **FORGET)),
    "P15 gone from the record, a doubt besides, told so though the token has moved":
        (AGONE, dict(standin="file", overtaken=False, **{**FORGET, "doubters": 1})),
    "P16 gone from the record, a doubt besides, ours": (AGONE, dict(standin="file", **{**FORGET, "doubters": 1})),
    "P17 gone from the record, a doubt besides, evicted before, ours": (AGONE, dict(standin="file", begun=True, **{**FORGET, "doubters": 1})),
}
for name, (names, kw) in RUNS.items():
    if len(sys.argv) > 1 and not any(a in name for a in sys.argv[1:]):
        continue
    wrong, trace, n, whole = search(Model(names, **kw), limit=6_000_000, seconds=3600)
    print(f"== {name}: {wrong or ('holds' if whole else 'holds as far as searched')}  [{n} states]", flush=True)
    for step in trace if wrong else ():
        print("   ", step)
