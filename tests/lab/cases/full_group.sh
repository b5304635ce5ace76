# Where the group has no space for a snapshot the message says so, and nothing is left
# only: without udevd
lvcreate -q --yes --addtag lab --extents 100%FREE --name filler slow
voltar 1 backup slow/volume-big --to $BACKUPS
says "slow" "free"
nothing_published
nothing_left
voltar 1 backup slow/volume-big --to $BACKUPS --snapshot-size 8M
says "slow"
nothing_left
lvremove -q -f slow/filler
