# While writers go on, an archive is the frozen filesystem, whole and clean
# only: with udevd
lvcreate -q --yes --addtag lab --size 64M --name writers cinder-volumes
dd if=/lab/disk.img of=/dev/cinder-volumes/writers bs=1M status=none oflag=direct
mount_partition /dev/cinder-volumes/writers $OUT/origin
write_on() {
    local i
    for ((i = 0; ; i++)); do
        echo "line $i" >> "$OUT/origin/written-$((i % 50))"
    done
}
write_on &
writer=$!
thaw_and_copy="/share/hook thaw_and_copy $OUT/origin cinder-volumes/writers"
voltar 0 backup cinder-volumes/writers --to $BACKUPS --freeze "fsfreeze --freeze $OUT/origin" --thaw "$thaw_and_copy"
kill -0 $writer || fail "the writer is gone"
kill $writer
wait $writer || true
archive_of writers
nothing_left

dd if=$OUT/copy.img of=$OUT/partition.img bs=1M skip=1 count=40 status=none
e2fsck -fn $OUT/partition.img || fail "the snapshot is not clean"
says_nothing_of "journal"
mount_partition $OUT/copy.img $OUT/mnt ro
[ -e $OUT/mnt/written-49 ] || fail "nothing was written before the snapshot"
extract "$ARCHIVE" $OUT/tree
equal_trees $OUT/tree/p1 $OUT/mnt
umount $OUT/mnt $OUT/origin
lvremove -q -f cinder-volumes/writers
