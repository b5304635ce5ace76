# A second run to the same destination is refused, and told who is there
# only: with udevd
cat > $OUT/voltar.toml <<TOML
[[source]]
volume = "slow/volume-big"
thaw = ["/share/hook", "slow", "50"]

[destination]
folder = "$BACKUPS"
TOML
begin run --config $OUT/voltar.toml
midway
kill -STOP $WORKER
slow 0
one_snapshot
before=$SNAPSHOTS
first=$SAID
SAID=$OUT/second
voltar 1 run --config $OUT/voltar.toml
says "$PARENT"
voltar 1 backup cinder-volumes/volume-00000001 --to $BACKUPS
says "$PARENT"
SAID=$first
one_snapshot
[ "$SNAPSHOTS" = "$before" ] || fail "a run that was refused changed the snapshots"
kill -CONT $WORKER
end 0
archive_of volume-big
nothing_left
