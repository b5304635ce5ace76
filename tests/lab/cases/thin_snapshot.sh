# A thin volume becomes an archive by way of a thin snapshot that is gone afterwards
voltar 0 backup cinder-volumes/volume-00000002 --to $BACKUPS --thaw "/share/hook note_snapshots"
archive_of volume-00000002
nothing_left
read -r name attributes tags size < $OUT/snapshots
[[ $attributes == Vri* ]] || fail "attributes $attributes"
[[ ,$tags, == *,voltar,* ]] || fail "tags $tags"
mount_partition /dev/cinder-volumes/volume-00000002 $OUT/mnt ro
extract "$ARCHIVE" $OUT/tree
equal_trees $OUT/tree/p1 $OUT/mnt
umount $OUT/mnt
