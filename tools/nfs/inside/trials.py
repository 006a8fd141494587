import subprocess, sys, os
SERVER = {"a": "10.0.1.1", "b": "10.0.2.1", "c": "10.0.3.1"}
def run(*c): subprocess.run(c, check=True)
def mount(fs, client):
    run("nsenter", f"--net=/run/netns/{client}", "unshare", "--uts", "sh", "-c",
        f"hostname {client}; mount -t nfs4 -o vers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport {SERVER[client]}:/{fs} /mnt/{client}")
for c in "abc": mount("ext4", c)
os.system("grep nfs4 /proc/mounts; uname -r; cat /proc/fs/nfsd/clients/*/info; free -m")
exec(open("/trials/probe.py").read())
