# A destination that gets full ends the run in order: no archive, no snapshot, nothing left
# only: without udevd
mount -t tmpfs -o size=8M tmpfs $BACKUPS
voltar 1 backup slow/volume-big --to $BACKUPS
says "no space"
nothing_published
nothing_left
umount $BACKUPS
