"""Checks how the sweep takes a key's directory away (`src/tier/directory/sweep/retire.rs`)."""
import sys
from model import Model, search

D, AB = ("a", "b"), ("a", "b", "a")
BASE = dict(announce=True, record_vouches=False, nocache=True, forget="evict")
RUNS = {
    "S1 ours without epochs": (D, dict(readers=(0, 1), reads=2, tick=2, retirers=1, retire="noepoch", **BASE)),
    "S2 ours": (D, dict(readers=(0, 1), reads=2, tick=2, retirers=1, **BASE)),
    "S3 ours, two sweeps at once": (D, dict(readers=(0, 1), reads=2, tick=2, retirers=2, **BASE)),
    "S4 ours, there and back": (AB, dict(readers=(0, 1), reads=1, tick=2, chg=2, retirers=1, **BASE)),
    "S5 ours, deleted": (("a", None), dict(readers=(0, 1), reads=2, tick=2, retirers=1, **BASE)),
}
for name, (names, kw) in RUNS.items():
    if len(sys.argv) > 1 and not any(a in name for a in sys.argv[1:]):
        continue
    wrong, trace, n, whole = search(Model(names, **kw), limit=2_500_000, seconds=90)
    print(f"== {name}: {wrong or ('holds' if whole else 'holds as far as searched')}  [{n} states]", flush=True)
    for step in trace if wrong else ():
        print("   ", step)
