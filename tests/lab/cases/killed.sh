# After SIGKILL the worker goes along, and `voltar clean` removes the snapshot that is left
# only: without udevd
begin backup slow/volume-big --to $BACKUPS --thaw "/share/hook slow 100"
midway
kill -KILL $PARENT
wait $PARENT || true
slow 0
wait_for 60 "the end of the worker" no_process
nothing_published
one_snapshot
parts=($BACKUPS/*/.voltar-*)
[ ${#parts[@]} = 0 ] || fail "it left ${parts[*]}"
voltar 0 clean
says "volume-big-voltar-"
nothing_left
voltar 0 clean
