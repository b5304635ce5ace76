# Of a mounted volume that nobody froze, an archive is what its journal recovers to
# only: without udevd
lvcreate -q --yes --addtag lab --size 64M --name mounted cinder-volumes
dd if=/lab/disk.img of=/dev/cinder-volumes/mounted bs=1M status=none oflag=direct
mount_partition /dev/cinder-volumes/mounted $OUT/origin
# What the last sync puts into the journal stays only there for some seconds.
for ((i = 0; i < 200; i++)); do
    echo "line $i" > "$OUT/origin/fresh-$i"
done
rm $OUT/origin/somebody
mv $OUT/origin/sparse $OUT/origin/renamed
sync -f $OUT/origin
voltar 0 backup cinder-volumes/mounted --to $BACKUPS --thaw "/share/hook copy_snapshot cinder-volumes/mounted"
archive_of mounted
nothing_left
umount $OUT/origin

dd if=$OUT/copy.img of=$OUT/partition.img bs=1M skip=1 count=40 status=none
dumpe2fs -h $OUT/partition.img 2> /dev/null | grep needs_recovery || fail "there was nothing to recover"
# The kernel's own recovery of the same bytes.
mount_partition $OUT/copy.img $OUT/mnt
[ -e $OUT/mnt/fresh-199 ] && [ -e $OUT/mnt/renamed ] || fail "the journal did not have it"
extract "$ARCHIVE" $OUT/tree
equal_trees $OUT/tree/p1 $OUT/mnt
umount $OUT/mnt
lvremove -q -f cinder-volumes/mounted
