# A physical volume that is closed to allocation gives no space to a snapshot
# only: with udevd
pvchange -q -xn $DISK1
voltar 1 backup cinder-volumes/volume-00000001 --to $BACKUPS
says "group cinder-volumes has 0 B free"
nothing_left
vgextend -q cinder-volumes $DISK3
voltar 0 backup cinder-volumes/volume-00000001 --to $BACKUPS
says "the snapshot has 28.0 MiB, all that group cinder-volumes has free"
archive_of volume-00000001
nothing_left
vgreduce -q cinder-volumes $DISK3
pvremove -q $DISK3
pvchange -q -xy $DISK1
# The snapshot's signature would be found by who uses the disk next.
dd if=/dev/zero of=$DISK3 bs=1M oflag=direct status=none || true
