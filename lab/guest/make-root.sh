#!/bin/bash
# Makes the guest's root tree and its ext4 image. Runs as root or under fakeroot: owners must survive into the image.
# usage: make-root.sh GUEST_DIR ROOTFS.tar BOOT.tar DIST_DIR OUT_DIR
set -euo pipefail
guest=$1 rootfs=$2 boot=$3 dist=$4 out=$5
tree=$out/tree
mkdir -p "$tree"
words() { grep -v '^#' "$1"; }

tar -C "$tree" -xf "$rootfs" --exclude='./dev/*'
# Only the modules that the machine needs: depmod and udev walk all of them.
kernel=$(tar -tf "$boot" | sed -n 's,^\./boot/vmlinuz-,,p')
mkdir "$out/boot"
tar -C "$out/boot" -xf "$boot" ./lib/modules
from=$out/boot/lib/modules/$kernel to=$tree/usr/lib/modules/$kernel
mkdir -p "$to"
cp "$from"/modules.{builtin,order,builtin.modinfo} "$to/"
for name in $(words "$guest/modules"); do
    file=$(find "$from/kernel" -name "$name.ko" -print -quit)
    [ -n "$file" ] || { echo "kernel $kernel has no module $name" >&2; exit 1; }
    install -D -m 644 "$file" "$to/${file#"$from"/}"
done
rm -r "$out/boot"
depmod -b "$tree/usr" "$kernel" 2>/dev/null || depmod -b "$tree" "$kernel"

echo avouch-node >"$tree/etc/hostname"
echo '127.0.0.1 localhost avouch-node' >"$tree/etc/hosts"
echo 5b6d6a6fb3f04f2a9c0f5d0c1a2b3c4d >"$tree/etc/machine-id"
: >"$tree/etc/fstab"
mkdir -p "$tree/job" "$tree/etc/ima"
units=$tree/etc/systemd/system
for unit in $(words "$guest/masked-units"); do ln -sf /dev/null "$units/$unit"; done
for rule in $(words "$guest/masked-rules"); do rm -f "$tree/usr/lib/udev/rules.d/$rule.rules"; done
mkdir -p "$tree/etc/systemd/system-generators"
for generator in $(words "$guest/masked-generators"); do
    ln -sf /dev/null "$tree/etc/systemd/system-generators/$generator"
done
ln -sf /usr/lib/systemd/system/multi-user.target "$units/default.target"
# Root's own mode bits, whatever the checkout's umask was.
(cd "$guest/overlay" && find . -type f) | while read -r file; do
    mode=644
    case $file in ./usr/lib/avouch-lab/*) mode=755 ;; esac
    install -D -m $mode "$guest/overlay/$file" "$tree/$file"
done
install -m 644 "$dist/ima-policy" "$tree/etc/ima/ima-policy"
for unit in "$dist"/avouch-*.{service,socket,timer}; do
    [ ! -e "$unit" ] || install -m 644 "$unit" "$tree/usr/lib/systemd/system/"
done
mkdir -p "$units"/{multi-user,sockets}.target.wants
for unit in avouch-lab-disks avouch-lab-harness avouch-agent; do
    ln -sf "/usr/lib/systemd/system/$unit.service" "$units/multi-user.target.wants/$unit.service"
done
[ ! -e "$dist/avouch-collector.socket" ] ||
    ln -sf /usr/lib/systemd/system/avouch-collector.socket "$units/sockets.target.wants/avouch-collector.socket"

mke2fs -q -t ext4 -b 4096 -L root -O '^metadata_csum,^64bit' -J size=4 -m 0 \
    -E root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,hash_seed=5b6d6a6f-b3f0-4f2a-9c0f-5d0c1a2b3c4d \
    -d "$tree" "$out/root.img" 320M
# Without root the next steps must be able to read every file, and a person to delete it.
chmod -R u+rwX "$tree"
