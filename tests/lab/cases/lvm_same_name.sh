# Of two groups of one name LVM's explanation is shown, and each is backed up by its UUID
# only: without udevd
uuid=$(vgs --noheadings -o vg_uuid cinder-volumes | tr -d ' ')
# A guest's disk, with a group that has the name of the host's: made where the host's is not seen.
vgcreate -q --devices $DISK4 guest $DISK4
lvcreate -q --yes --devices $DISK4 --size 8M --name volume-00000001 guest
vgchange -q -an --devices $DISK4 guest
vgchange -q -an cinder-volumes
vgrename -q --devices $DISK4 guest cinder-volumes
vgchange -q -ay --devices $DISK1 cinder-volumes
voltar 1 backup cinder-volumes/volume-00000001 --to $BACKUPS
says "VG name cinder-volumes is used by VGs" $uuid "UUID as GROUP"
nothing_published
voltar 0 backup $uuid/volume-00000001 --to $BACKUPS
archive_of $uuid-volume-00000001
cat > $OUT/voltar.toml <<TOML
[[source]]
group = "$uuid"
include = ["volume-00000002"]

[destination]
folder = "$BACKUPS"

[retention]
keep_last = 1
TOML
voltar 0 run --config $OUT/voltar.toml
archive_of $uuid-volume-00000002
voltar 0 list --config $OUT/voltar.toml
says $uuid-volume-00000002
voltar 0 prune --config $OUT/voltar.toml
vgremove -q -f --devices $DISK4 cinder-volumes
pvremove -q $DISK4
nothing_left
