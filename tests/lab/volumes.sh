# The volumes that the cases share. No case changes what is in their filesystems; past these they have room to be written.
#
#   cinder-volumes/volume-00000001   64 MiB: GPT, partition 1 with ext4 of 40 MiB from 1 MiB on, then room
#   cinder-volumes/volume-00000002   the same as a thin volume, in cinder-volumes/pool
#   slow/volume-big                  192 MiB: ext4 of 128 MiB with 64 MiB of noise, then room; on a disk that can be slowed

cp /share/voltar /usr/bin/voltar
mkdir /lab/tree
cp -a /etc /lab/tree/etc
cp -a /usr/sbin/lvm /usr/bin/tar /lab/tree
echo "a file of somebody" > /lab/tree/somebody
chown 1000:1001 /lab/tree/somebody
chmod 4751 /lab/tree/tar
ln /lab/tree/somebody "/lab/tree/a second name"
ln -s nowhere /lab/tree/etc/link
mkfifo /lab/tree/fifo
truncate -s 3M /lab/tree/sparse
echo end >> /lab/tree/sparse

truncate -s 64M /lab/disk.img
echo '1MiB,40MiB,L' | sfdisk --quiet --label gpt /lab/disk.img
mke2fs -q -t ext4 -d /lab/tree -E offset=$PARTITION_START /lab/disk.img 40M

vgcreate -q cinder-volumes "$DISK1"
lvcreate -q --yes --size 64M --name volume-00000001 cinder-volumes
lvcreate -q --yes --type thin-pool --size 256M --name pool cinder-volumes
lvcreate -q --yes --thin --virtualsize 64M --name volume-00000002 cinder-volumes/pool
dd if=/lab/disk.img of=/dev/cinder-volumes/volume-00000001 bs=1M status=none oflag=direct
dd if=/lab/disk.img of=/dev/cinder-volumes/volume-00000002 bs=1M status=none oflag=direct

modprobe -a dm-delay
device_mapper create slow --table "$(slow_table 0)"
vgcreate -q slow /dev/mapper/slow
lvcreate -q --yes --size 192M --name volume-big slow
mke2fs -q -t ext4 -E lazy_itable_init=0 /dev/slow/volume-big 128M
mount /dev/slow/volume-big /mnt
dd if=/dev/urandom of=/mnt/noise bs=1M count=64 status=none
umount /mnt
