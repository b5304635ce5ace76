# A run begins with what a killed one left, says so, and goes on
# only: without udevd
cat > $OUT/voltar.toml <<TOML
[[source]]
volume = "slow/volume-big"
thaw = ["/share/hook", "slow", "100"]

[destination]
folder = "$BACKUPS"
TOML
begin run --config $OUT/voltar.toml
midway
kill -STOP $PARENT
processes
kill -KILL "${PROCESSES[@]}"
wait $PARENT || true
slow 0
wait_for 60 "the end of all" no_process
one_snapshot
[[ $SNAPSHOTS =~ (volume-big-voltar-[^ ]*) ]]
old=${BASH_REMATCH[1]}
one_volume_config
voltar 0 run --config $OUT/voltar.toml
says "$old"
archive_of volume-00000001
snapshots
[ -z "$SNAPSHOTS" ] || fail "left over: $SNAPSHOTS"
