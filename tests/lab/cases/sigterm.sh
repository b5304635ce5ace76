# SIGTERM in the middle of a run ends it in order: no archive, no snapshot, nothing left
# only: with udevd
begin backup slow/volume-big --to $BACKUPS --thaw "/share/hook slow 50"
midway
# To its whole process group, as a terminal and a service manager do.
kill -TERM -- -$PARENT
slow 0
end 1
nothing_published
nothing_left
