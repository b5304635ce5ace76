# --snapshot-size takes bytes and percent of the origin; without it, it is all that can be needed, or with a warning what is free
# only: without udevd
backup() { # SIZE_AS_LVM_SAYS ARGUMENT...: makes one, and that must be the snapshot's size
    local wanted=$1 name attributes tags size
    shift
    rm -rf $OUT/snapshots $BACKUPS/*
    voltar 0 backup cinder-volumes/volume-00000001 --to $BACKUPS --thaw "/share/hook note_snapshots" "$@"
    read -r name attributes tags size < $OUT/snapshots
    [ "$size" = "$wanted" ] || fail "a snapshot of $size, not $wanted"
}
backup 12.00m --snapshot-size 12M
# As LVM reckons: half of all that can be needed, which is an extent more than the origin has.
backup 36.00m --snapshot-size 50%ORIGIN
backup 68.00m
says_nothing_of warning
lvcreate -q --yes --addtag lab --extents 100%FREE --name filler cinder-volumes
lvreduce -q -f --size -16M cinder-volumes/filler
backup 16.00m
says "16.0 MiB"
lvremove -q -f cinder-volumes/filler
voltar 2 backup cinder-volumes/volume-00000001 --to $BACKUPS --snapshot-size huge
nothing_left
