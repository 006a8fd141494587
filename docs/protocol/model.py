"""Explicit-state model of DESIGN parts 4-6: one key, a few instances, every interleaving, shortest traces.

A step is one file-system call, one request to the record, or one move inside memory. A frozen instance is
one that is not scheduled; a crash clears an instance at any step. Two families share the invariants:

  counter   the text as it stood: state.json = version, confirmed_at, generation (a counter), changed by
            read-modify-write under flock(lock), an epoch file beside it
  token     the mend: a doubt replaces the small file `doubt` by a new random token, blindly; a state carries
            the token it was asked under and is believed only under that token; no lock anywhere

`python3 run.py` runs the text, the mend, and the mend with each rule taken away in turn.
"""
import time
from collections import deque, namedtuple

M = 1                                         # MEMORY_MAX_AGE, in ticks; LOCAL_MAX_AGE is the rule L

# evw: evictions whose token is written, evr: the latest that has returned (ghosts, for what may stand in)
# mark: the token whose file says that it was made with its directory, and nothing stored beside it
W = namedtuple("W", "rec sup clock tok state epoch shard bodies lock uid insts procs doubts kd n evw evr mark", defaults=(0, 0, None))
I = namedtuple("I", "mem floor seen lo")      # lo: ghost, the lowest place in history it may still serve
P = namedtuple("P", "kind inst pc v left")
# ev: how many evictions had written their token when the record was asked; er: evr when the read began; num: which eviction this is
V = namedtuple("V", "start e t s asked idx file name conf held mine fl made cap ev er num", defaults=(0, 0, 0))
St = namedtuple("St", "name conf tag file at ev", defaults=(0,))  # at: when the record was asked (order), conf: for freshness
Mem = namedtuple("Mem", "name conf tag epoch at asked ev", defaults=(0,))   # asked: when this instance itself asked the record
N = namedtuple("N", "chg tick crash wipe drop expire other evict keydel lose")   # budgets of the environment
V0 = V(0, None, None, None, None, None, None, None, None, None, False, None, False, None)
GONE = None

RULES = dict(                                 # every rule in force: the mended protocol
    family="token",
    doubt_order="key,epoch",                  # or "epoch,key"
    epoch_value="unique",                     # or "counter"
    reader_epoch="before",                    # or "after" the look at the key
    look_time="epoch",                        # the look counts from reading the epoch, not from the "lift"
    record_vouches=True,                      # asked less than MEMORY_MAX_AGE ago: a hit, whatever the epoch
    skip_if_doubted=False,                    # a repeated doubt does nothing
    check_token=True, believe_token=True,     # compare before storing; compare when reading
    confirm_compares=True,                    # a 304 compares too (counter family)
    conf_time="before",                       # confirmed_at: "before" asking or "after" the answer
    floor=True, floor_survives=True,          # an instance remembers what it last served, beyond the body
    hand_check=True,                          # a fill looks at the floor before it is handed over
    order_clock="record",                     # or "local": stamps come from each instance's own clock
    skew=(0, 0, 0),
    cond_needs_body=True,                     # ask conditionally only with the body in hand
    body_names="unique",                      # or "version"
    wipe_lock=True,                           # deleting the directory deletes the lock file and so the lock
    check3=True,                              # check invariant 3 on the directory itself
    shards=False,                             # two levels: a key is stamped with <hh>/epoch, the root vouches for those
    shard_doubt="shard,root", shard_read="root,shard",   # the orders that are right
    alone=True,                               # a waiter passes a lock it cannot get (counter family)
    L=9,                                      # LOCAL_MAX_AGE in ticks; 9 never passes in runs about doubts
    announce=False,                           # a doubt of a key without a directory (mkdir succeeds) writes nothing
    vouch_unstored=False,                     # the epoch vouches in memory for an answer that was not stored
    forget="state",                           # 404: "state" as the model was; "design": all goes, no epoch; "evict": who announced
                                              # takes the token back, others leave it; "mark": ours; "markonly": what has no mark is left
    overtaken=True,                           # a 404 reads again if something is believed under a newer token, and takes the newer one away if nothing is
    unmark=True,                              # a store takes the mark away before it writes its state
    retire="aside",                           # taking a directory away: "design": no epoch; "noepoch": ours without them; "aside": ours
    nocache=False,                            # a read may ask although the state is believed
    standin=None,                             # where the record fails: "hand": any body in hand stands in; "file": ours
    evict_bodies="all",                       # which bodies an eviction takes away: "named" by the state, or "all"
    absent=False,                             # a 404 forbids to stand in as an eviction does
    progress=True,                            # check that nobody waits for a frozen holder
)


class Bad(Exception):
    pass


def tells_apart(rules):
    """Whether it matters which instance is which: by its clock, or as the holder of the lock."""
    return rules["family"] != "token" or any(rules["skew"])


class Model:
    def __init__(self, names, readers, doubters=1, sweepers=0, reads=2, chg=1, tick=0, crash=0, wipe=0, drop=0,
                 expire=0, other=0, evict=0, keydel=0, retirers=0, evictors=0, lose=0, begun=False, **rules):
        self.names, self.c = names, {**RULES, **rules}
        k = max(readers) + 1
        procs = [P("R", i, "idle", V0, reads) for i in readers]
        procs += [P("D", j % k, "idle", V0, 1) for j in range(doubters)]
        self.calm = not (sweepers or wipe or evict or keydel or retirers or evictors or lose or self.c["absent"])
        procs += [P("S", 0, "idle", V0, 1) for _ in range(sweepers)]
        procs += [P("K", 0, "idle", V0, 1) for _ in range(retirers)]
        procs += [P("E", 0, "idle", V0, 1) for _ in range(evictors)]
        # Readers of which each has an instance to itself are alike: which of them is where makes no other world.
        self.alike = len(readers) if len(set(readers)) == len(readers) == k and not (crash or tells_apart(self.c)) else 0
        first = 0 if self.c["epoch_value"] == "counter" else 1
        self.init = W(0, (), 0, None, None, first, 1 if self.c["shards"] else None, frozenset(), None, 2, (I(None, None, None, 0),) * k, tuple(procs),
                      (), 0, N(min(chg, len(names) - 1), tick, crash, wipe, drop, expire, other, evict, keydel, lose))

        if begun:                                 # a token that is not marked, and nothing beside it: the key was evicted once
            self.init = self.init._replace(tok=2, uid=3)

    # -- small helpers ------------------------------------------------------------------------------------
    def now(self, w, i):
        return w.clock + self.c["skew"][i]

    def fresh(self, w, i, conf):
        return conf is not None and self.now(w, i) - conf < self.c["L"]

    def proc(self, w, p, **kw):
        return w._replace(procs=w.procs[:p] + (w.procs[p]._replace(**kw),) + w.procs[p + 1:])

    def inst(self, w, i, **kw):
        return w._replace(insts=w.insts[:i] + (w.insts[i]._replace(**kw),) + w.insts[i + 1:])

    def fits(self, w, name, lowest):
        return any(self.names[j] == name for j in range(lowest, w.rec + 1))

    def serve(self, w, p, name, at):
        """Hands `name` to the client and checks invariants 2 and 4 on it."""
        pr = w.procs[p]
        i, start = pr.inst, pr.v.start
        lo = w.insts[i].lo
        j = next((j for j in range(lo, w.rec + 1) if self.names[j] == name), None)
        if j is None:
            raise Bad(f"2 backwards: instance {i} served {name} after a later version")
        for d_idx, d_tick in w.doubts:
            if start - d_tick > M and not self.fits(w, name, d_idx):
                raise Bad(f"4 stale after doubt: {name} served {start - d_tick} ticks after the doubt returned")
        for k, c in enumerate(w.sup):
            if start - c > self.c["L"] + M and not self.fits(w, name, k + 1):
                raise Bad(f"4 stale without doubt: {name} served {start - c} ticks after it was replaced")
        floor = w.insts[i].floor
        w = self.inst(w, i, lo=j, floor=(name, max(at, floor[1]) if floor else at))
        return self.proc(w, p, pc="idle", v=V0, left=pr.left - 1)

    def believed(self, w, s, t):
        if s is None:
            return False
        if self.c["family"] == "counter":
            return s.conf is not None
        return t is not None and (s.tag == t or not self.c["believe_token"])

    def floor_ok(self, inst, s):
        f = inst.floor
        return not self.c["floor"] or f is None or s.name == f[0] or s.at > f[1]

    def check_world(self, w):
        """Invariant 3 on the directory: what a newcomer would believe was asked after every doubt written there."""
        s = w.state
        if self.c["check3"] and self.believed(w, s, w.tok) and not self.fits(w, s.name, w.kd):
            raise Bad(f"3 doubt lost: the directory says {s.name} is confirmed, the doubt about it notwithstanding")

    # -- who can move -------------------------------------------------------------------------------------
    def steps(self, w):
        for p, pr in enumerate(w.procs):
            f = {"R": self.reader, "D": self.doubter, "S": self.sweeper, "K": self.retirer, "E": self.evictor}[pr.kind]
            if pr.pc != "idle" or pr.left:
                yield from f(w, p, pr)
        n = w.n
        if n.chg:
            yield f"record becomes {self.names[w.rec + 1]}", w._replace(
                rec=w.rec + 1, sup=w.sup + (w.clock,), n=n._replace(chg=n.chg - 1))
        if n.tick:
            yield "tick", w._replace(clock=w.clock + 1, n=n._replace(tick=n.tick - 1))
        if n.crash:
            for i in range(len(w.insts)):
                x = self.inst(w, i, mem=None, floor=None, seen=None, lo=0)._replace(n=n._replace(crash=n.crash - 1))
                lock = w.lock
                for p, pr in enumerate(w.procs):
                    if pr.inst == i and pr.pc != "idle":
                        lock = None if lock == p else lock
                        again = 1 if pr.kind in "DE" else pr.left     # an event that was not answered comes again
                        x = self.proc(x, p, pc="idle", v=V0, left=again)
                yield f"crash {i}", x._replace(lock=lock)
        if n.wipe:
            yield "directory deleted", w._replace(tok=None, state=None, bodies=frozenset(),
                                                  lock=None if self.c["wipe_lock"] else w.lock,
                                                  epoch=0 if self.c["epoch_value"] == "counter" else None, shard=None,
                                                  n=n._replace(wipe=n.wipe - 1))
        if n.lose and w.state is not None:
            yield "somebody removes state and body", w._replace(state=None, bodies=frozenset(), n=n._replace(lose=n.lose - 1))
        if n.evict and w.state is not None:                          # a doubt that also removes what is kept
            yield "the sweep evicts the key", w._replace(tok=w.uid, epoch=w.uid + 1, uid=w.uid + 2, state=None, bodies=frozenset(),
                                                         n=n._replace(evict=n.evict - 1))
        if n.keydel and w.tok is not None and w.state is None:
            yield "the sweep removes the key's directory", w._replace(tok=None, bodies=frozenset(), n=n._replace(keydel=n.keydel - 1))
        if n.drop:
            for i, x in enumerate(w.insts):
                if x.mem:
                    kw = {} if self.c["floor_survives"] else {"floor": None}
                    yield f"memory of {i} drops the body", self.inst(w, i, mem=None, **kw)._replace(
                        n=n._replace(drop=n.drop - 1))
        if n.other:
            yield f"a doubt of another shard writes root epoch {w.uid}", w._replace(
                epoch=w.uid, uid=w.uid + 1, n=n._replace(other=n.other - 1))
        if n.expire and w.lock is not None:
            yield "the server drops the frozen holder's lock", w._replace(lock=None, n=n._replace(expire=n.expire - 1))

    # -- read, confirm, fill ------------------------------------------------------------------------------
    def reader(self, w, p, pr):
        c, i, v, pc = self.c, pr.inst, pr.v, pr.pc
        x, token, me = w.insts[i], c["family"] == "token", f"R{p}@{i}"

        def go(world, to, **kw):
            return self.proc(world, p, pc=to, v=world.procs[p].v._replace(**kw))

        if pc == "idle":
            w = go(w, "epoch", start=w.clock, er=w.evr)
            m, s = x.mem, x.seen
            if m and s and w.clock - s[1] < M and s[-1 if c["shards"] else 0] == m.epoch and m.epoch is not None and self.fresh(w, i, m.conf) or (
                    m and c["record_vouches"] and w.clock - m.asked < M):
                yield f"{me} hit, memory vouched for: {m.name}", self.serve(w, p, m.name, m.at)
            else:
                yield from self.reader(w, p, w.procs[p])             # begin and look at the epoch: one step
        elif pc == "epoch":
            v = w.procs[p].v
            if c["shards"]:
                yield from self.two_levels(w, p, x, me, go)
                return
            w = self.inst(w, i, seen=(w.epoch, w.clock))
            m = x.mem
            if m and w.epoch is not None and m.epoch == w.epoch and self.fresh(w, i, m.conf):
                yield f"{me} epoch unchanged, hit: {m.name}", self.serve(w, p, m.name, m.at)
            else:
                yield f"{me} reads epoch {w.epoch}", go(w, "key", e=w.epoch)
        elif pc == "second":
            right = c["shard_read"] == "root,shard"
            root, shard = (v.e[0], w.shard) if right else (w.epoch, v.e[0])
            yield from self.looked(w, p, x, me, go, root, shard, v.e[1])
        elif pc == "key":
            if not token:
                yield f"{me} ->", go(w, "state")
                return
            m = x.mem
            if m and w.tok is not None and m.tag == w.tok and self.fresh(w, i, m.conf):
                yield f"{me} token unchanged, hit: {m.name}", self.serve(
                    self.inst(w, i, mem=m._replace(epoch=v.e)), p, m.name, m.at)
            else:
                yield f"{me} reads doubt token {w.tok}", go(w, "state", t=w.tok)
        elif pc == "state":
            s, m = w.state, x.mem
            t = v.t if token else (s.tag if s else 0)
            held = s.file if s and s.file in w.bodies else None
            w = go(w, "ask", s=s, t=t, held=held)
            ok = self.believed(w, s, t) and self.fresh(w, i, s.conf) and self.floor_ok(x, s)
            if ok and not token and m and m.name == s.name:
                yield f"{me} state unchanged, hit: {m.name}", self.serve(
                    self.inst(w, i, mem=m._replace(epoch=v.e, conf=s.conf, tag=s.tag)), p, m.name, s.at)
            elif ok and c["nocache"] and t is not None:
                yield f"{me} reads state {s.name}: asks all the same", w
                y = go(w, "body")
                yield f"{me} reads state {s.name}, fresh", y
            elif ok and self.calm:                                   # nobody removes bodies: opening is no step
                y = go(w, "body")
                yield from self.reader(y, p, y.procs[p])
            elif ok:
                yield f"{me} reads state {s.name}, fresh", go(w, "body")
            elif token and t is None:
                yield f"{me} reads state, no token", go(w, "mint")
            else:
                yield f"{me} reads state {s and s.name}: ask", w
        elif pc == "body":
            s = v.s
            if s.name is not GONE and s.file not in w.bodies:
                yield f"{me} body missing: ask", go(w, "ask", held=None)
                return
            if not self.floor_ok(x, s):
                yield f"{me} overtaken by another read: ask", go(w, "ask", held=None)
                return
            e = v.e if c["reader_epoch"] == "before" else w.epoch
            w = self.inst(w, i, mem=Mem(s.name, s.conf, v.t, e, s.at, -9, s.ev))
            if c["look_time"] == "lift":
                w = self.inst(w, i, seen=(e, w.clock))
            yield f"{me} lifts and serves {s.name}", self.serve(w, p, s.name, s.at)
        elif pc == "mint" and c["forget"] != "state" and w.tok is not None:
            yield f"{me} finds doubt token {w.tok}", go(w, "ask", t=w.tok)
        elif pc == "mint":
            made = not self.there(w)
            yield f"{me} writes doubt token {w.uid}", go(w._replace(tok=w.uid, uid=w.uid + 1, mark=w.uid if made else w.mark), "ask", t=w.uid, made=made)
        elif pc == "ask":
            if c["standin"]:
                yield from self.stand_in(w, p, me)
            name = self.names[w.rec]
            num = w.evw + 1 if c["absent"] and name is GONE else 0
            w = w._replace(evw=max(w.evw, num))
            at = w.clock if c["order_clock"] == "record" else self.now(w, i)
            conf = self.now(w, i) if c["order_clock"] == "local" else w.clock
            cond = v.s.name if v.s and v.s.name is not GONE and (v.held or not c["cond_needs_body"]) else None
            w = go(w, "store", asked=at, idx=w.rec, name=name, conf=conf, fl=x.floor, ev=w.evw, num=num)
            if name is not GONE and name == cond:
                if v.s.file not in w.bodies and v.held is None:
                    raise Bad("6 stuck: the record says 304 and nobody has the body")
                yield f"{me} asks: 304 {name}", go(w, "store", file=v.s.file, held=True)
            elif name is GONE and c["forget"] != "state":
                yield f"{me} asks: 404", go(w, "forget", held=None)
            elif name is GONE:
                yield f"{me} asks: 404", go(w, "store", held=None)
            else:
                y = go(w, "fill", held=None)
                if self.calm:
                    yield f"{me} asks: 200 {name}, publishes the body", next(self.reader(y, p, y.procs[p]))[1]
                else:
                    yield f"{me} asks: 200 {name}", y
        elif pc == "fill":
            f = (v.name, w.uid) if c["body_names"] == "unique" else v.name
            w = w._replace(bodies=w.bodies | {f}, uid=w.uid + (c["body_names"] == "unique"))
            yield f"{me} publishes body {f}", go(w, "store", file=f)
        elif pc == "forget" and c["forget"].startswith("mark"):
            yield f"{me} reads doubt token {w.tok}{', marked' if w.tok and w.tok == w.mark else ''}", go(w, "fheld", cap=w.tok, made=w.mark == w.tok)
        elif pc == "forget":
            if w.tok != v.t:
                yield f"{me} forgets nothing: the token moved", go(w, "hand")
            elif c["forget"] == "design":
                yield f"{me} forgets", go(w, "fdesign")
            elif w.state is not None or not v.made and w.bodies and c["evict_bodies"] == "all":
                yield f"{me} forgets what is held", go(w, "ftoken")
            elif v.made:
                yield f"{me} takes its token back", go(w, "fcapture")
            else:
                yield f"{me} leaves another's directory", go(w, "hand")
        elif pc == "fheld":
            newer = v.cap != v.t
            again = ("epoch", dict(s=None, cap=None, num=0)) if c["overtaken"] else ("hand", dict(cap=None))
            if newer and (c["forget"] == "markonly" or w.state is not None and w.state.tag == v.cap):
                yield f"{me} leaves what is under a newer token{': reads again' if c['overtaken'] else ''}", go(w, again[0], **again[1])
            elif w.state is not None or w.bodies:
                yield f"{me} forgets what is held", go(w, "ftoken", cap=None)
            elif newer and not c["overtaken"] or v.cap is None:
                yield f"{me} forgets nothing: the token moved", go(w, "hand", cap=None)
            elif v.made:
                yield f"{me} takes the token back", go(w, "fcapture", file=("token", v.cap))
            elif c["forget"] == "markonly":
                yield f"{me} leaves the token", go(w, "hand")
            else:
                yield f"{me} finds nothing", go(w, "freplace")
        elif pc == "freplace":
            if self.there(w):
                to = "flate" if c["overtaken"] else "hand"
                yield f"{me} replaces the token by {w.uid}", go(w._replace(tok=w.uid, uid=w.uid + 1), to, cap=None)
            else:
                yield f"{me} finds the directory gone", go(w, "hand")
        elif pc == "flate":                                       # what came between the look and the new token
            held = w.state is not None or w.bodies
            yield f"{me} finds {'what came meanwhile' if held else 'nothing still'}", go(w, "ftoken" if held else "hand")
        elif pc == "fdesign":
            yield f"{me} removes state, body, token, directory", go(w._replace(tok=None, state=None, bodies=frozenset()), "hand")
        elif pc == "ftoken":
            yield f"{me} evicts: token {w.uid}", go(w._replace(tok=w.uid, uid=w.uid + 1), "fstate")
        elif pc == "fstate":
            yield f"{me} evicts: state and body go", go(w._replace(state=None, bodies=frozenset()), "fepoch")
        elif pc == "fepoch":
            yield f"{me} evicts: epoch {w.uid}", go(w._replace(epoch=w.uid, uid=w.uid + 1), "hand")
        elif pc == "fcapture":
            if w.tok is None:
                yield f"{me} finds its token gone", go(w, "hand")
            else:
                yield f"{me} renames token {w.tok} away", go(w._replace(tok=None), "frestore", cap=w.tok)
        elif pc == "frestore":
            ours = v.cap == (v.file[1] if v.file else v.t)            # the one that was looked at
            if ours and w.bodies and c["evict_bodies"] == "all":
                yield f"{me} takes away the bodies that came meanwhile", w._replace(bodies=frozenset())
            elif ours:
                yield f"{me} drops token {v.cap}, and the directory if empty", go(w, "hand", file=None)
            else:
                left = f"drops token {v.cap}" if w.tok is not None else f"puts token {v.cap} back"
                w = w if w.tok is not None else w._replace(tok=v.cap)
                if c["overtaken"]:
                    yield f"{me} {left}: reads again", go(w, "epoch", s=None, cap=None, num=0, file=None)
                else:
                    yield f"{me} {left}", go(w, "hand")
        elif pc == "store":
            if token:
                if c["check_token"] and w.tok != v.t:
                    yield f"{me} token moved: not stored", go(w, "hand")
                else:
                    yield f"{me} token unchanged", go(w._replace(mark=None) if c["unmark"] else w, "write")
            elif w.lock is None:
                yield f"{me} locks", go(w._replace(lock=p), "check", mine=True)
            elif c["alone"]:
                yield f"{me} passes the lock (bound)", go(w, "check")
        elif pc == "check":                                       # counter family, under the lock
            g = w.state.tag if w.state else 0
            confirm = v.held is True
            if g == v.t or (confirm and not c["confirm_compares"]):
                yield f"{me} generation {g} unchanged" if g == v.t else f"{me} confirms", go(w, "write", t=g)
            else:
                yield f"{me} generation moved: not stored", go(self.unlock(w, p), "hand")
        elif pc == "write" and c["announce"] and (w.tok is None if c["forget"] == "state" else not self.there(w)):      # ENOENT: its temporary went with the directory
            yield f"{me} the key's directory went: not stored", go(w, "hand")
        elif pc == "write":
            conf = v.conf if c["conf_time"] == "before" else self.now(w, i)
            w = w._replace(state=St(v.name, conf, v.t, v.file, v.asked, v.ev))
            yield f"{me} writes state {v.name} under {v.t}", go(self.unlock(w, p), "hand", conf=conf)
        elif pc == "hand":
            f = x.floor
            if c["hand_check"] and f and f[0] != v.name and f != v.fl:   # raised by another since we asked
                yield f"{me} has been overtaken: reads again", go(w, "epoch", s=None, held=None, file=None)
                return
            e = v.e if c["reader_epoch"] == "before" else w.epoch
            stored = w.state is not None and w.state.tag == v.t and w.state.name == v.name
            if c["announce"] and not stored and not c["vouch_unstored"]:
                e = None
            w = self.inst(w._replace(evr=max(w.evr, v.num)), i, mem=Mem(v.name, v.conf, v.t, e, v.asked, v.asked, v.ev))
            yield f"{me} serves {v.name}", self.serve(w, p, v.name, v.asked)

    def stand_in(self, w, p, me):
        """The record gives no answer: what is in hand stands in. Checks invariant 2, and that none does after an eviction."""
        pr = w.procs[p]
        i, v, s, m = pr.inst, pr.v, pr.v.s, w.insts[pr.inst].mem
        if s is None:                                 # not evicted: memory holds it under the current token, it could not be stored
            name, at, ev, where = (m.name, m.at, m.ev, "memory") if m and m.tag == v.t else (GONE, 0, 0, "")
        else:
            where = "memory" if m and m.name == s.name else "its body" if v.held and v.held is not True else ""
            name, at, ev = s.name if where else GONE, s.at, s.ev
            if self.c["standin"] == "file" and s.tag != v.t and s.file not in w.bodies:
                name = GONE
            if not self.floor_ok(w.insts[i], s):
                name = GONE
        if name is GONE:
            yield f"{me} asks: no answer, an error", self.proc(w, p, pc="idle", v=V0, left=pr.left - 1)
            return
        if ev < v.er:
            raise Bad(f"5 stands in after an eviction: {name}, from {where}")
        lo = w.insts[i].lo
        j = next((j for j in range(lo, w.rec + 1) if self.names[j] == name), None)
        if j is None:
            raise Bad(f"2 backwards: instance {i} served {name} after a later version")
        floor = w.insts[i].floor
        w = self.inst(w, i, lo=j, floor=(name, max(at, floor[1]) if floor else at))
        yield f"{me} asks: no answer, {name} stands in from {where}", self.proc(w, p, pc="idle", v=V0, left=pr.left - 1)

    def two_levels(self, w, p, x, me, go):
        """Root unchanged: the shard's epoch read before still holds. Moved: read the shard's, in a step of its own."""
        if x.seen and w.epoch is not None and x.seen[0] == w.epoch:
            yield from self.looked(w, p, x, me, go, w.epoch, x.seen[2], w.clock)
        elif self.c["shard_read"] == "root,shard":
            yield f"{me} reads root epoch {w.epoch}", go(w, "second", e=(w.epoch, w.clock))
        else:                                     # remembers the shard's under a root read after it
            yield f"{me} reads shard epoch {w.shard}", go(w, "second", e=(w.shard, w.clock))

    def looked(self, w, p, x, me, go, root, shard, when):
        i, m = w.procs[p].inst, x.mem
        w = self.inst(w, i, seen=(root, when, shard))
        if m and shard is not None and m.epoch == shard and self.fresh(w, i, m.conf):
            yield f"{me} root {root}, shard {shard} unchanged, hit: {m.name}", self.serve(w, p, m.name, m.at)
        else:
            yield f"{me} root {root}, shard {shard}", go(w, "key", e=shard)

    def there(self, w):
        """Whether the key's directory is: something is in it."""
        return w.tok is not None or w.state is not None or bool(w.bodies) or any(q.pc in ("frestore", "kstate", "kepoch", "kgone") for q in w.procs)

    def unlock(self, w, p):
        return w._replace(lock=None) if w.lock == p else w

    # -- doubt --------------------------------------------------------------------------------------------
    def doubter(self, w, p, pr):
        c, v, pc, me = self.c, pr.v, pr.pc, f"D{p}@{pr.inst}"
        token = c["family"] == "token"
        epoch_first = c["doubt_order"] == "epoch,key"

        def go(world, to, **kw):
            return self.proc(world, p, pc=to, v=world.procs[p].v._replace(**kw))

        def done(world, label):
            world = self.proc(world, p, pc="idle", v=V0, left=pr.left - 1)
            return f"{me} {label}; the doubt returns", world._replace(doubts=world.doubts + ((v.idx, world.clock),))

        def key_done(world):
            return world._replace(kd=max(world.kd, v.idx))

        if pc == "idle":
            yield f"{me} begins (record at {self.names[w.rec]})", go(w, "epoch" if epoch_first else "key", idx=w.rec)
        elif pc == "key" and c["announce"] and (w.tok is None if c["forget"] == "state" else not self.there(w)):
            yield done(key_done(w), "makes the key's directory: nobody holds it")
        elif pc == "key":
            doubted = w.state is not None and (w.state.tag != w.tok if token else w.state.conf is None)
            if c["skip_if_doubted"] and doubted:
                yield done(key_done(w), "finds it doubted already")
            elif token:
                x = key_done(w._replace(tok=w.uid, uid=w.uid + 1))
                label = f"writes doubt token {w.uid}"
                yield done(x, label) if epoch_first else (f"{me} {label}", go(x, "epoch"))
            elif w.lock is None:
                yield f"{me} locks", go(w._replace(lock=p), "read", mine=True)
            elif c["alone"]:
                yield f"{me} passes the lock (bound)", go(w, "read")
        elif pc == "read":
            yield f"{me} reads state", go(w, "write", s=w.state)
        elif pc == "write":
            s = v.s or St(GONE, None, 0, None, 0)
            x = key_done(self.unlock(w._replace(state=s._replace(conf=None, tag=s.tag + 1)), p))
            label = f"writes doubted state, generation {s.tag + 1}"
            yield done(x, label) if epoch_first else (f"{me} {label}", go(x, "epoch"))
        elif pc == "epoch" and c["shards"]:
            root = c["shard_doubt"] == "root,shard"
            kw = {"epoch" if root else "shard": w.uid}
            yield f"{me} writes {'root' if root else 'shard'} epoch {w.uid}", go(w._replace(uid=w.uid + 1, **kw), "ewrite")
        elif pc == "ewrite" and c["shards"]:
            root = c["shard_doubt"] == "root,shard"
            kw = {"shard" if root else "epoch": w.uid}
            yield done(w._replace(uid=w.uid + 1, **kw), f"writes {'shard' if root else 'root'} epoch {w.uid}")
        elif pc == "epoch":
            if c["epoch_value"] == "unique":
                x, label = w._replace(epoch=w.uid, uid=w.uid + 1), f"writes epoch {w.uid}"
                yield (f"{me} {label}", go(x, "key")) if epoch_first else done(x, label)
            else:
                yield f"{me} reads epoch {w.epoch}", go(w, "ewrite", e=w.epoch)
        elif pc == "ewrite":
            x, label = w._replace(epoch=(v.e or 0) + 1), f"writes epoch {(v.e or 0) + 1}"
            yield (f"{me} {label}", go(x, "key")) if epoch_first else done(x, label)

    # -- sweep --------------------------------------------------------------------------------------------
    def sweeper(self, w, p, pr):
        """Judges one body superseded or orphaned by the state it reads, then, at any later time, removes it."""
        if pr.pc == "idle":
            for f in sorted(w.bodies, key=str):
                if w.state is None or w.state.file != f:
                    yield f"S{p} judges {f} superseded", self.proc(w, p, pc="remove", v=pr.v._replace(file=f))
        else:
            yield f"S{p} removes {pr.v.file}", self.proc(
                w._replace(bodies=w.bodies - {pr.v.file}), p, pc="idle", v=V0, left=pr.left - 1)

    # -- taking the key's directory away, with what is held in it ------------------------------------------
    def retirer(self, w, p, pr):
        """What it moved aside keeps the directory from being empty until it is dropped, in one step with rmdir."""
        pc, me = pr.pc, f"K{p}"

        def go(world, to):
            return self.proc(world, p, pc=to)

        def done(world):
            return self.proc(world, p, pc="idle", v=V0, left=pr.left - 1)

        if pc == "idle" and self.c["retire"] == "design":
            if w.state is None and self.there(w):
                yield f"{me} removes the key's directory", done(w._replace(tok=None, bodies=frozenset()))
        elif pc == "idle":
            if self.there(w):
                yield f"{me} moves token {w.tok} aside", go(w._replace(tok=None), "kstate")
        elif pc == "kstate":
            to = "kgone" if self.c["retire"] == "noepoch" else "kepoch"
            yield f"{me} removes state and body", go(w._replace(state=None, bodies=frozenset()), to)
        elif pc == "kepoch":
            yield f"{me} writes epoch {w.uid}", go(w._replace(epoch=w.uid, uid=w.uid + 1), "kgone")
        else:
            yield f"{me} drops the token, and the directory if empty", done(w)

    # -- an eviction, step by step ---------------------------------------------------------------------------
    def evictor(self, w, p, pr):
        pc, v, me = pr.pc, pr.v, f"E{p}@{pr.inst}"

        def go(world, to, **kw):
            return self.proc(world, p, pc=to, v=v._replace(**kw))

        def done(world, num):
            return self.proc(world._replace(evr=max(world.evr, num)), p, pc="idle", v=V0, left=pr.left - 1)

        if pc == "idle" and not self.there(w):
            yield f"{me} makes the key's directory: nobody holds it; the eviction returns", done(w._replace(evw=w.evw + 1), w.evw + 1)
        elif pc == "idle":
            x = w._replace(tok=w.uid, uid=w.uid + 1, evw=w.evw + 1)
            yield f"{me} writes token {w.uid}", go(x, "state", num=x.evw)
        elif pc == "state":
            yield f"{me} removes the state", go(w._replace(state=None), "body", file=w.state and w.state.file)
        elif pc == "body":
            gone = w.bodies if self.c["evict_bodies"] == "all" else {v.file}
            yield f"{me} takes away {'every body' if self.c['evict_bodies'] == 'all' else v.file}", go(
                w._replace(bodies=w.bodies - gone), "epoch", file=None)
        else:
            yield f"{me} writes epoch {w.uid}; the eviction returns", done(w._replace(epoch=w.uid, uid=w.uid + 1), v.num)

    # -- can everyone always go on by itself --------------------------------------------------------------
    def check_progress(self, w):
        for p, pr in enumerate(w.procs):
            if pr.kind in "RD" and pr.pc != "idle":
                f = self.reader if pr.kind == "R" else self.doubter
                if not any(True for _ in f(w, p, pr)):
                    raise Bad(f"6 waits for ever: {pr.kind}{p} waits for a lock whose holder is frozen")


def canon(w):
    """Tokens, epochs and file names matter only by being equal or not: number them by first appearance."""
    ids = {}

    def r(k):
        return k if k is None else ids.setdefault(k, len(ids) + 1)

    def rf(f):
        return (f[0], r(f[1])) if type(f) is tuple else f

    def rs(s, tok):
        return s and s._replace(tag=r(s.tag) if tok else s.tag, file=rf(s.file))
    return ids, r, rf, rs


def sorted_alike(w, n):
    """The same world with the first `n` readers, and their instances, in an order of their own."""
    def sign(p):
        q, x, v = w.procs[p], w.insts[p], w.procs[p].v
        m, s = x.mem, x.seen
        return repr((q.pc, q.left, v.name, v.asked, v.ev, v.er, v.num, v.made, v.t and v.t == w.tok, v.cap and (v.cap == w.tok, v.cap == v.t),
                     v.s and (v.s.name, v.s.tag == w.tok, v.s.tag == v.t, v.s.at), v.held in w.bodies, v.file in w.bodies, v.start, v.idx, v.fl, v.e == w.epoch,
                     m and (m.name, m.tag == w.tok, m.epoch == w.epoch, m.at, m.ev), x.floor, s and (s[0] == w.epoch, s[1]), x.lo))
    order = sorted(range(n), key=sign)
    if order == list(range(n)):
        return w
    procs = tuple(w.procs[p] for p in order) + w.procs[n:]
    return w._replace(procs=procs, insts=tuple(w.insts[p] for p in order) + w.insts[n:])


def key(model, w):
    if model.alike:
        w = sorted_alike(w, model.alike)
    tok = model.c["family"] == "token"
    uni = model.c["epoch_value"] == "unique"
    _, r, rf, rs = canon(w)
    re = r if uni else (lambda e: e)
    rt = r if tok else (lambda t: t)
    head = (w.rec, w.sup, w.clock, rt(w.tok), rs(w.state, tok), re(w.epoch), re(w.shard), w.lock, w.doubts, w.kd, w.n, w.evw, w.evr, rt(w.mark) if w.mark in (w.tok, *(q.v.cap for q in w.procs)) else None)
    insts = tuple((x.mem and (x.mem.name, x.mem.conf, rt(x.mem.tag), re(x.mem.epoch), x.mem.at, x.mem.asked, x.mem.ev), x.floor,
                   x.seen and (re(x.seen[0]), x.seen[1], *map(re, x.seen[2:])), x.lo) for x in w.insts)
    procs = tuple((q.pc, q.left, q.v.start, (re(q.v.e[0]), q.v.e[1]) if type(q.v.e) is tuple else re(q.v.e), rt(q.v.t), rs(q.v.s, tok), q.v.asked, q.v.idx, rf(q.v.file),
                   q.v.name, q.v.conf, rf(q.v.held) if type(q.v.held) is tuple else q.v.held, q.v.mine, q.v.fl, q.v.made, rt(q.v.cap), q.v.ev, q.v.er, q.v.num) for q in w.procs)
    bodies = frozenset(rf(f) for f in sorted(w.bodies, key=str))
    return (head, insts, procs, bodies)


def search(model, limit=6_000_000, seconds=500):
    """Breadth first. Returns (what went wrong or None, shortest trace, states, complete)."""
    t0 = time.time()
    seen = {hash(key(model, model.init)): None}
    todo = deque([(model.init, hash(key(model, model.init)))])

    def trace(h):
        out = []
        while seen[h]:
            h, label = seen[h]
            out.append(label)
        return out[::-1]
    while todo:
        w, h = todo.popleft()
        try:
            model.check_world(w)
            if model.c["progress"]:
                model.check_progress(w)
        except Bad as bad:
            return str(bad), trace(h), len(seen), True
        it = model.steps(w)
        while True:
            try:
                label, x = next(it)
            except StopIteration:
                break
            except Bad as bad:
                return str(bad), trace(h) + ["(next step)"], len(seen), True
            k = hash(key(model, x))
            if k not in seen:
                seen[k] = (h, label)
                todo.append((x, k))
        if len(seen) > limit or time.time() - t0 > seconds:
            return None, [], len(seen), False
    return None, [], len(seen), True
