# What was frozen is thawed, also where the freeze failed, took too long or was stopped, or the snapshot could not be taken
# only: without udevd
backup() { # FREEZE ARGUMENT...: makes none, and thaws
    rm -f $OUT/thawed
    voltar 1 backup cinder-volumes/volume-00000001 --to $BACKUPS --freeze "$1" --thaw "touch $OUT/thawed" "${@:2}"
    [ -e $OUT/thawed ] || fail "not thawed after $1"
    nothing_published
}
backup "false"
says "freeze" "false"
backup "sleep 30" --hook-timeout 1
says "freeze" "longer than 1"
backup "/share/hook terminate_parent"
nothing_left
lvcreate -q --yes --addtag lab --extents 100%FREE --name filler cinder-volumes
backup "true"
lvremove -q -f cinder-volumes/filler
nothing_left
