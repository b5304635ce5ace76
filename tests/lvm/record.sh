#!/bin/bash
# Records what LVM says: the answers in this folder, that the tests of src/snapshot/lvm give to it. Run it as root on a machine to throw
# away, with four empty disks of 300, 128, 64 and 32 MiB in DISK1 to DISK4, and without dmeventd: it wipes them.
#
#   record.sh FOLDER
#
# NAME.json and NAME.txt are what a command wrote to its standard output, NAME.err its standard error. The files were made with LVM 2.03.16
# on Linux 6.1.
set -eu
folder=$1
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1

fields=vg_name,vg_uuid,lv_name,lv_attr,lv_layout,lv_role,lv_size,origin,pool_lv,lv_tags,lv_health_status,lv_snapshot_invalid
fields+=,snap_percent,metadata_percent,vg_extent_size
space=vg_name,vg_uuid,pv_name,pv_free,pv_allocatable,pv_missing
volume=volume-00000001
snapshot=$volume-voltar-20250102T030405Z
thin=thin-1-voltar-20250102T030405Z
mark=(--addtag voltar --addtag voltar.host=vm --addtag voltar.boot=8c7c3fdd-9f4a-4d94-a1c1-57a0b8cf1f43
    --addtag voltar.pid=123 --addtag voltar.start=456)
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)

record() { # NAME COMMAND...
    local file=$folder/$1 ending=txt
    shift
    case $* in *reportformat*) ending=json ;; esac
    "$@" > "$file.$ending" 2> "$file.err" || true
    find "$file.$ending" "$file.err" -empty -delete
}

report() { # NAME WHICH...
    local name=$1
    shift
    record "$name" lvm lvs --reportformat json --units b --nosuffix -o $fields "$@"
}

space() { # NAME WHICH...
    local name=$1
    shift
    record "$name" lvm vgs --reportformat json --units b --nosuffix -o $space "$@"
}

overwrite() { # VOLUME MEGABYTES [FROM]
    dd if=/dev/urandom of="/dev/cinder-volumes/$1" bs=1M count="$2" seek="${3:-0}" oflag=direct status=none || true
}

pvcreate -q "$DISK1" "$DISK2" "$DISK3"
vgcreate -q cinder-volumes "$DISK1" "$DISK2"
vgcreate -q small "$DISK3"

# A group without space.
report empty_group small
lvcreate -q -y -L 56M -n filler small
lvcreate -q -y -l 100%FREE -n rest small
report full_group small
record create_full lvm lvcreate --yes --snapshot --permission r --extents 1 --name x small/filler

# Names that are not there.
record groups lvm vgs --reportformat json -o vg_name,vg_uuid
report no_group nosuch
report no_volume cinder-volumes/nosuch

# One of each kind.
lvcreate -q -y -L 64M -n $volume cinder-volumes
lvcreate -q -y -L 32M -n volume-00000002 cinder-volumes
lvcreate -q -y -L 16M -n attached cinder-volumes
exec 8< /dev/cinder-volumes/attached
lvcreate -q -y -L 16M -n inactive cinder-volumes
lvchange -an cinder-volumes/inactive
lvcreate -q -y --type mirror -m1 -L 16M -n mirror-1 cinder-volumes
lvcreate -q -y --type thin-pool -L 64M -n pool cinder-volumes
lvcreate -q --thin -V 128M -n thin-1 cinder-volumes/pool
lvcreate -q -y -L 16M -n by-hand --addtag voltar cinder-volumes
lvcreate -q -s -n thin-1-snapshot cinder-volumes/thin-1
lvcreate -q -s -kn -n thin-clone cinder-volumes/thin-1
lvcreate -q -y -s -l 2 -n $volume-snapshot cinder-volumes/$volume
lvcreate -q -y -s -pr -l 4 -n $snapshot "${mark[@]}" cinder-volumes/$volume
lvcreate -q -y -s -pr -kn -n $thin "${mark[@]}" cinder-volumes/thin-1
report group cinder-volumes
space space cinder-volumes
space space_small small
pvchange -q -xn "$DISK1"
space space_closed cinder-volumes
pvchange -q -xn "$DISK2"
record create_closed lvm lvcreate --yes --snapshot --permission r --extents 2 --name x cinder-volumes/$volume
pvchange -q -xy "$DISK1" "$DISK2"
report hidden cinder-volumes/pool_tdata
report pool cinder-volumes/pool
report linear cinder-volumes/$volume
report attached cinder-volumes/attached
report inactive cinder-volumes/inactive
report thin cinder-volumes/thin-1
report thin_clone cinder-volumes/thin-clone
report skipped_thin_snapshot cinder-volumes/thin-1-snapshot
report thin_snapshot cinder-volumes/$thin
report snapshot cinder-volumes/$snapshot
report by_hand cinder-volumes/by-hand
report marked --select lv_tags=voltar

# The life of a classic snapshot.
mapped=cinder--volumes-${snapshot//-/--}
dmsetup suspend "$mapped"
report snapshot_suspended cinder-volumes/$snapshot
dmsetup resume "$mapped"
overwrite $volume 13
report snapshot_80 cinder-volumes/$snapshot
record extended lvm lvextend --extents +1 cinder-volumes/$snapshot
report snapshot_extended cinder-volumes/$snapshot
lvremove -q -f cinder-volumes/$volume-snapshot
overwrite $volume 40 20
report snapshot_overflowed cinder-volumes/$snapshot
exec 7< /dev/cinder-volumes/$snapshot
report snapshot_overflowed_open cinder-volumes/$snapshot
record remove_busy lvm lvremove --yes --force --select lv_tags=voltar cinder-volumes/$snapshot
exec 7<&-
lvchange -an -y cinder-volumes/$volume
report snapshot_inactive cinder-volumes/$snapshot
lvchange -ay cinder-volumes/$volume
record create_exists lvm lvcreate --yes --snapshot --permission r --extents 2 --name $snapshot cinder-volumes/$volume
record removed lvm lvremove --yes --force --select lv_tags=voltar cinder-volumes/$snapshot
report gone cinder-volumes/$snapshot
record create lvm lvcreate --yes --snapshot --permission r --extents 2 --name $snapshot cinder-volumes/$volume

# LVM makes a volume of a snapshot first, and removes it then; it can be made to stop in between.
lvcreate -q -y -s -pr -l 4 -n volume-00000002-voltar-20250102T030405Z "${mark[@]}" cinder-volumes/volume-00000002
lvremove --config log/report_command_log=1 --yes --force --select lv_tags=voltar cinder-volumes/volume-00000002-voltar-20250102T030405Z || true
report leftover cinder-volumes/volume-00000002-voltar-20250102T030405Z
report marked_leftover --select lv_tags=voltar
lvremove -q -f cinder-volumes/volume-00000002-voltar-20250102T030405Z

# A thin pool without space; a thin snapshot whose origin is gone.
lvchange -q --errorwhenfull y cinder-volumes/pool
overwrite thin-1 80
report pool_full cinder-volumes/pool
report thin_snapshot_pool_full cinder-volumes/$thin
record create_thin_full lvm lvcreate --yes --snapshot --permission r --setactivationskip n --name x cinder-volumes/thin-1
lvremove -q -f cinder-volumes/thin-1
report thin_orphan cinder-volumes/$thin

# A snapshot that waits for being merged into its origin.
exec 9< /dev/cinder-volumes/volume-00000002
lvcreate -q -y -s -l 2 -n merger --addtag voltar cinder-volumes/volume-00000002
lvconvert --merge cinder-volumes/merger
report merging cinder-volumes/merger
exec 9<&-

# Without rights, of an exported group, and of one that misses a disk.
record denied_lvcreate "${nobody[@]}" lvm lvcreate --yes --snapshot --extents 2 --name x cinder-volumes/$volume
record denied_lvs "${nobody[@]}" lvm lvs --reportformat json --units b --nosuffix -o $fields cinder-volumes/$volume

# Two groups of one name.
vgchange -q -an small
vgcreate -q --devices "$DISK4" small "$DISK4"
lvcreate -q -y -an -Zn -L 8M -n filler --devices "$DISK4" small
uuid=$(vgs --noheadings -o vg_uuid --devices "$DISK4" small | tr -d ' ')
record same_name_groups lvm vgs --reportformat json -o vg_name,vg_uuid
report same_name small
space same_name_space --select "vg_uuid=$uuid"
report same_name_one --devices "$DISK4" small/filler
vgremove -q -f --devices "$DISK4" small

vgexport small
report exported small
exec 8<&-
vgchange -q -an cinder-volumes
dd if=/dev/zero of="$DISK2" bs=1M count=2 conv=fsync status=none
report partial cinder-volumes
space space_partial cinder-volumes
record create_partial lvm lvcreate --yes --snapshot --extents 2 --name x cinder-volumes/$volume
