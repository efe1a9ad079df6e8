#!/bin/bash
# The container without a container engine: Debian, the steps of install.sh, and a run that has no
# network, no HOME, no user of that number, and no place to write to but OUT and /tmp. Linux, as root.
#
#   chroot.sh build ROOT [FOLDER...]        makes ROOT, or goes on; it sees FOLDERs of this machine
#   chroot.sh run ROOT IN OUT COMMAND...    runs a command, which sees IN as /mnt/in, OUT as /mnt/out
#
# `run` takes a Python instead of ROOT: then this machine's system and the environment of that Python
# are the container, which says nothing of install.sh but takes no time.
# The mirror of Debian is set by MIRROR, the index of PyTorch by TORCH_INDEX, pip by PIP_*.
set -euo pipefail
suite=bookworm
user=4321
source=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ "${MOUNTS-}" != own ]; then
  # Mounts are this process's own, and end with it.
  apart=(unshare --mount)
  [ "$1" = build ] || apart+=(--net)
  MOUNTS=own exec "${apart[@]}" bash "${BASH_SOURCE[0]}" "$@"
fi

see() { # FOLDER [AS]: shows a folder in the root, read-only
  local target=$root${2-$1}
  mkdir -p "$target"
  mount --rbind "$1" "$target"
  mount -o remount,bind,ro "$target"
}

build() {
  root=$1
  shift
  local folder name pip=()
  [ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase "$suite" "$root" ${MIRROR-}
  see "$source" /mnt
  for folder in "$@"; do see "$folder"; done
  mount -t proc proc "$root/proc"
  for name in TORCH_INDEX ${!PIP_*}; do pip+=(${!name+"$name=${!name}"}); done
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "${pip[@]}" \
    sh /mnt/containers/install.sh /mnt
}

scratch() {
  mkdir -p "$root/tmp"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
}

borrow() { # PYTHON: makes a root of this machine's system and an environment
  local folder
  mount -t tmpfs -o mode=755 tmpfs "$root"
  # Before what is seen: that may lie in /tmp.
  scratch
  for folder in /bin /lib /lib64 /usr /etc; do
    if [ -L "$folder" ]; then cp -a "$folder" "$root"; elif [ -d "$folder" ]; then see "$folder"; fi
  done
  for folder in $("$1" -c 'import sys; print(sys.base_prefix, sys.prefix)') "$source"; do
    see "$folder"
  done
  mkdir -p "$root"/{dev,proc,mnt}
  environment=("PATH=$(dirname "$1"):/usr/bin:/bin" "PYTHONPATH=$source" MPLCONFIGDIR=/tmp)
}

run() {
  local from=$1 in=$2 out=$3
  shift 3
  environment=(PATH=/usr/local/bin:/usr/bin:/bin)
  if [ -d "$from" ]; then
    root=$from
    mount --bind "$root" "$root"
    scratch
  else
    root=$(mktemp -d)
    borrow "$from"
  fi
  mount -t tmpfs -o mode=755 tmpfs "$root/mnt"
  see "$in" /mnt/in
  mkdir -p "$root/mnt/out" "$out"
  chown "$user:$user" "$out"
  mount --bind "$out" "$root/mnt/out"
  mount --rbind /dev "$root/dev"
  mount -t proc proc "$root/proc"
  mount -o remount,bind,ro "$root/mnt"
  mount -o remount,bind,ro "$root"
  exec chroot --userspec="$user:$user" --groups= "$root" /usr/bin/env -i "${environment[@]}" "$@"
}

"$@"
