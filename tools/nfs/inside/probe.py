import time, os
A,B,C="/mnt/a","/mnt/b","/mnt/c"
def rd(p):
    fd=os.open(p,os.O_RDONLY)
    try: return os.read(fd,100)
    finally: os.close(fd)
def lookdir(p):
    fd=os.open(os.path.dirname(p),os.O_RDONLY|os.O_DIRECTORY); os.close(fd)
def rename_over(p,v):
    t=p+".tmp"
    fd=os.open(t,os.O_WRONLY|os.O_CREAT|os.O_EXCL); os.write(fd,v); os.fsync(fd); os.close(fd)
    os.rename(t,p)
def in_place(p,v):
    fd=os.open(p,os.O_WRONLY); os.pwrite(fd,v,0); os.fsync(fd); os.close(fd)
def setup(n):
    os.makedirs(A+"/"+n,exist_ok=True)
    in_=A+"/"+n+"/epoch"; rename_over(in_,b"%032d"%0)
import itertools
def trial(write, holder, pre, n, i, wait=1.0):
    """returns delay until B sees"""
    p="/%s/epoch"%n
    rd(B+p); rd(B+p)
    h=os.open(holder+p,os.O_RDONLY) if holder else None
    v=b"%032d"%(i+1)
    write(A+p,v)
    t=time.monotonic()
    while True:
        if pre: lookdir(B+p)
        try: got=rd(B+p)
        except OSError as e: got=e
        d=time.monotonic()-t
        if got==v or d>wait: break
        time.sleep(0.01)
    if h is not None: os.close(h)
    return d if got==v else None
def table(label, N=30):
    print("==",label)
    for wn,w in (("rename",rename_over),("in place",in_place)):
        for hn,h in (("none",None),("A",A),("B",B),("C",C)):
            for pre in (False,True):
                n="%s-%s-%s-%s"%(label,wn[:2],hn,pre)
                setup(n)
                ds=[trial(w,h,pre,n,i) for i in range(N if pre or h is None or wn!="rename" else 5)]
                ok=[d for d in ds if d is not None]
                print(f"{wn:9} held on {hn:4} dir opened first {pre!s:5}: seen {len(ok)}/{len(ds)} max {max(ok,default=0)*1000:.0f} ms",flush=True)
open("/proc/sys/fs/leases-enable","w").write("0")
table("noleases")
open("/proc/sys/fs/leases-enable","w").write("1")
table("leases")
open("/proc/sys/fs/leases-enable","w").write("0")
# how long stale
setup("long"); print("rename, held on C, how long is it stale:", trial(rename_over,C,False,"long",1,wait=75),flush=True)
