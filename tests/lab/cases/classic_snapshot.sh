# A volume becomes an archive by way of a snapshot that is read-only, marked, and gone afterwards
voltar 0 backup cinder-volumes/volume-00000001 --to $BACKUPS --thaw "/share/hook note_snapshots"
archive_of volume-00000001
nothing_left
read -r name attributes tags size < $OUT/snapshots
[[ $name == cinder-volumes/volume-00000001-voltar-* ]] || fail "a snapshot named $name"
[[ $attributes == sri-a-s--* ]] || fail "attributes $attributes"
[[ ,$tags, == *,voltar,* ]] || fail "tags $tags"
mount_partition /dev/cinder-volumes/volume-00000001 $OUT/mnt ro
extract "$ARCHIVE" $OUT/tree
equal_trees $OUT/tree/p1 $OUT/mnt
umount $OUT/mnt
