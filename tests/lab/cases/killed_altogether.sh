# What a run leaves behind of which every process was killed, the next one removes when it begins
# only: with udevd
begin backup slow/volume-big --to $BACKUPS --thaw "/share/hook slow 100"
midway
# First it, then all that it started: nobody is left who could put anything in order.
kill -STOP $PARENT
processes
kill -KILL "${PROCESSES[@]}"
wait $PARENT || true
slow 0
wait_for 60 "the end of all" no_process
nothing_published
one_snapshot
[[ $SNAPSHOTS =~ (volume-big-voltar-[^ ]*) ]]
old=${BASH_REMATCH[1]}
# An archive has the second of its run in its name.
nap 1
voltar 0 backup slow/volume-big --to $BACKUPS
says "$old"
archive_of volume-big
nothing_left
