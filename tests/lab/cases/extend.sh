# With --extend a snapshot that gets full gets more space, and becomes an archive
# only: without udevd
begin backup slow/volume-big --to $BACKUPS --snapshot-size 16M --extend --thaw "/share/hook slow 50"
midway
kill -STOP $WORKER
slow 0
overwrite slow/volume-big 130 14
is_larger() {
    one_snapshot
    [[ $SNAPSHOTS != *" 16.00m" ]]
}
wait_for 30 "more space for the snapshot" is_larger
echo "$SNAPSHOTS"
overwrite slow/volume-big 146 3
kill -CONT $WORKER
end 0
archive_of volume-big
nothing_left
