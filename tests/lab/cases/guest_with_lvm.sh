# Guests with LVM, as the installers of Ubuntu and RHEL make them, are archived from a snapshot, and the host's LVM sees none of their groups
# only: without udevd
guest_disk() { # MIB TABLE-TYPE: makes the guest's disk; lines for sfdisk come from the standard input
    truncate -s "$1M" $OUT/guest.img
    sfdisk --quiet --label "$2" $OUT/guest.img
}
attach() { # START_MIB SIZE_MIB: a partition as a loop device, in DEVICE
    DEVICE=$(losetup --find --show --offset $(($1 << 20)) --sizelimit $(($2 << 20)) $OUT/guest.img)
}
populate() { # DEVICE FOLDER: keeps a tree as it is in the guest, for the comparison
    mount "$1" /mnt
    cp -a /lab/tree/etc /lab/tree/somebody /mnt/
    mkdir -p $OUT/wanted
    cp -a /mnt $OUT/wanted/"$2"
    umount /mnt
}
compare() { # ARCHIVE NAME...: each tree is as it was
    local archive=$1 name
    shift
    extract "$archive" $OUT/tree
    for name; do
        equal_trees $OUT/tree/"$name" $OUT/wanted/"$name"
        voltar 0 ls "$archive:$name/etc"
        says fstab
        voltar 0 cat "$archive:$name/somebody"
        says "a file of somebody"
        voltar 0 find "$archive" --name somebody
        says "$name/somebody"
        mkdir $OUT/one-"$name"
        voltar 0 extract "$archive" "$name/etc/fstab" -C $OUT/one-"$name"
        [ -e $OUT/one-"$name/$name/etc/fstab" ] || fail "no fstab of $name was extracted"
    done
    rm -rf $OUT/tree $OUT/wanted $OUT/one-*
}
put_on_host() { # the guest's disk becomes a volume of the host, and nothing of it is active
    lvcreate -q --yes -Wn --size "$(stat -c %s $OUT/guest.img)b" --name volume-guest cinder-volumes
    dd if=$OUT/guest.img of=/dev/cinder-volumes/volume-guest bs=1M status=none oflag=direct
    rm $OUT/guest.img
    host_sees_no_guest
}
back_up() { # sets ARCHIVE
    voltar 0 backup cinder-volumes/volume-guest --to $BACKUPS --thaw "/share/hook host_sees_no_guest"
    archive_of volume-guest
    nothing_left
    host_sees_no_guest
    lvremove -q -f cinder-volumes/volume-guest
}
touch /lab/tree/etc/fstab

# Ubuntu's: GPT, a BIOS boot partition, /boot, and one group with less than all of its space used.
guest_disk 80 gpt <<'TABLE'
start=1MiB, size=1MiB, type=21686148-6449-6E6F-744E-656564454649
start=2MiB, size=20MiB, type=L
start=22MiB, size=56MiB, type=L
TABLE
attach 2 20
mke2fs -q -t ext4 $DEVICE
populate $DEVICE p2
losetup --detach $DEVICE
attach 22 56
pvcreate -q $DEVICE
vgcreate -q ubuntu-vg $DEVICE
lvcreate -q --yes -Wn --size 32M --name ubuntu-lv ubuntu-vg
mke2fs -q -t ext4 /dev/ubuntu-vg/ubuntu-lv
populate /dev/ubuntu-vg/ubuntu-lv ubuntu--vg-ubuntu--lv
vgchange -q -an ubuntu-vg
losetup --detach $DEVICE
put_on_host
back_up
compare "$ARCHIVE" p2 ubuntu--vg-ubuntu--lv
rm -rf ${BACKUPS:?}/*

# RHEL's: an MBR, /boot, and a group with root, home and swap.
guest_disk 120 dos <<'TABLE'
start=1MiB, size=20MiB, type=83, bootable
start=21MiB, size=98MiB, type=8e
TABLE
attach 1 20
mke2fs -q -t ext4 $DEVICE
populate $DEVICE p1
losetup --detach $DEVICE
attach 21 98
pvcreate -q $DEVICE
vgcreate -q rhel $DEVICE
lvcreate -q --yes -Wn --size 8M --name swap rhel
lvcreate -q --yes -Wn --size 24M --name home rhel
lvcreate -q --yes -Wn --size 32M --name root rhel
mkswap -q /dev/rhel/swap
for name in home root; do
    mke2fs -q -t ext4 /dev/rhel/$name
    populate /dev/rhel/$name rhel-$name
done
vgchange -q -an rhel
losetup --detach $DEVICE
put_on_host
back_up
compare "$ARCHIVE" p1 rhel-home rhel-root
