# The pipeline of the OpenStack guide (lvcreate, kpartx, mount, tar, sha1sum) and voltar give equal trees of one snapshot
volume=volume-00000001
snapshot=$volume-snapshot
lvcreate -q --size 8M --snapshot --name $snapshot /dev/cinder-volumes/$volume

kpartx -av /dev/cinder-volumes/$snapshot
mount -o ro /dev/mapper/cinder--volumes-volume--00000001--snapshot1 /mnt
cd $OUT
tar --exclude="lost+found" --exclude="etc/pam.d" -czf $volume.tar.gz -C /mnt/ .
sha1sum $volume.tar.gz > $volume.checksum
umount /mnt
kpartx -dv /dev/cinder-volumes/$snapshot

voltar 0 archive /dev/cinder-volumes/$snapshot -o ours.tar.gz -p 1 --exclude "lost+found" --exclude "etc/pam.d"
sha1sum --check ours.tar.gz.sha1
lvremove -q -f cinder-volumes/$snapshot
voltar 0 backup cinder-volumes/$volume --to $BACKUPS --exclude "lost+found" --exclude "etc/pam.d"
archive_of $volume
nothing_left

mkdir guide ours
tar -xpzf $volume.tar.gz -C guide --numeric-owner
tar -xpzf ours.tar.gz -C ours --numeric-owner --warning=no-unknown-keyword
extract "$ARCHIVE" whole
[ -d ours/etc ] && [ ! -e ours/etc/pam.d ] && [ ! -e guide/etc/pam.d ] || fail "exclusion"
equal_trees guide ours
equal_trees guide whole/p1
cd /
