# `voltar clean` leaves the snapshot of a run that goes on
# only: with udevd
begin backup slow/volume-big --to $BACKUPS --thaw "/share/hook slow 50"
midway
kill -STOP $WORKER
slow 0
one_snapshot
before=$SNAPSHOTS
cp $SAID $OUT/said
SAID=$OUT/clean voltar 0 clean
one_snapshot
[ "$before" = "$SNAPSHOTS" ] || fail "it was: $before"
kill -CONT $WORKER
end 0
archive_of volume-big
nothing_left
