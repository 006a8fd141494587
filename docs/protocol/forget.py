
import sys
from model import Model, search
base = dict(announce=True, record_vouches=False, nocache=True)
D=("a",None); DEL=("a",None,"b")
RUNS = {
 "F1 design's forget: all goes, no epoch (deleted)": (D, dict(readers=(0,1), reads=2, tick=2, forget="design", **base)),
 "F2 ours (deleted)": (D, dict(readers=(0,1), reads=2, tick=2, forget="mark", **base)),
 "F3 ours (deleted and back)": (DEL, dict(readers=(0,1), reads=2, tick=2, chg=2, forget="mark", **base)),
 "F4 ours, crash": (D, dict(readers=(0,1), reads=2, tick=2, crash=1, forget="mark", **base)),
 "F5 ours, evicted by another": (DEL, dict(readers=(0,1), reads=2, tick=2, chg=2, evict=1, forget="mark", **base)),
 "F6 ours, two doubts": (DEL, dict(readers=(0,1), reads=1, tick=2, chg=2, doubters=2, forget="mark", **base)),
}
for name,(names,kw) in RUNS.items():
    if len(sys.argv)>1 and not any(a in name for a in sys.argv[1:]): continue
    wrong, trace, n, whole = search(Model(names, **kw), limit=3_000_000, seconds=int(150))
    print(f"== {name}: {wrong or ('holds' if whole else 'holds as far as searched')}  [{n} states]", flush=True)
    for step in trace if wrong else (): print("   ", step)
