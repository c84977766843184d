# Ends everything that lives in the folder $1, when standard input ends: containers, engines, brokers, collectors, mounts.
# Touches nothing else: processes are those that carry WRITETAP_E2E_SITE=$1, containers those whose ids are in the folder.
# Written for the case that the engine is gone while its containers run on.
set -u
root=${1:?}
case $root in /tmp/?*) ;; *) echo "refuse to clean up $root" >&2 && exit 1 ;; esac
cat >/dev/null
[ -d "$root" ] || exit 0

ours() { # pids of the processes that the run started, without those in containers
  grep -lzxF "WRITETAP_E2E_SITE=$root" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3
}
groups() { # cgroups of the containers: the last part of the path is exactly an id of 64 digits
  {
    find "$root" -mindepth 4 -maxdepth 4 -type d -path "$root/*/data/containers/*" -printf '%f\n'
    find "$root" -mindepth 3 -maxdepth 3 -type l -path "$root/*/links/*" -printf '%f\n' | sed 's/.*-//; s/\.log$//'
  } |
    grep -xE '[0-9a-f]{64}' |
    while read -r id; do find /sys/fs/cgroup -type d -name "$id"; done
}
emptied() { # the parents of a group that nobody else has one in: those of the node without a kubelet
  case $1 in */kubepods/*) rmdir -p "${1%/*}" 2>/dev/null ;; esac
}
end() { # pids, one a line on standard input
  while read -r pid; do kill -KILL "$pid" 2>/dev/null; done
}

# Engines first: they would start again, or wait for, what is ended after them.
ours | end
tries=0
while
  groups | while read -r group; do cat "$group/cgroup.procs"; done | end
  [ -n "$(ours)" ] && [ $tries -lt 100 ]
do
  ours | end
  sleep 0.05
  tries=$((tries + 1))
done

cut -d' ' -f2 /proc/self/mounts | grep -F "$root/" | sort -r | while read -r mount; do umount -l "$mount"; done
groups | while read -r group; do find "$group" -depth -type d -exec rmdir {} \; ; emptied "$group"; done
rm -rf "$root" && [ -z "$(ours)" ]
