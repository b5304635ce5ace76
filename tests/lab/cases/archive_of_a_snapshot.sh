# `voltar archive` of a snapshot is what the kernel shows of it
# only: without udevd
lvcreate -q --snapshot --size 8M --permission r --name by-hand cinder-volumes/volume-00000001
mkdir $BACKUPS/volume
voltar 0 archive /dev/cinder-volumes/by-hand -o $BACKUPS/volume/
mount_partition /dev/cinder-volumes/by-hand $OUT/mnt ro
extract $BACKUPS/volume/by-hand.tar.zst $OUT/tree
equal_trees $OUT/tree/p1 $OUT/mnt
umount $OUT/mnt
lvremove -q -f cinder-volumes/by-hand
