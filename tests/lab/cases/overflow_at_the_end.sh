# A snapshot that overflows after the last read, before its archive is published, never becomes one
# only: without udevd
: > $OUT/log
voltar 1 backup cinder-volumes/volume-00000001 --to $BACKUPS --snapshot-size 4M \
    --lvm-command "/share/lvm-that-overflows $OUT/log"
cat $OUT/log
[[ $(< $OUT/log) == *"all is written"* ]] || fail "the overflow did not come after the last read"
says "overflow" "volume-00000001"
nothing_published
nothing_left
