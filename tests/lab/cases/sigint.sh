# Ctrl-C in the middle of a run ends it in order: no archive, no snapshot, nothing left
# only: without udevd
begin backup slow/volume-big --to $BACKUPS --thaw "/share/hook slow 50"
midway
# To its whole process group, as a terminal and a service manager do.
kill -INT -- -$PARENT
slow 0
# By the signal: a shell's loop ends, too.
end 130
nothing_published
nothing_left
