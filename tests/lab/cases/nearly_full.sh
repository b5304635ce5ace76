# A snapshot that is four fifths full is warned of, and becomes an archive
# only: without udevd
begin backup slow/volume-big --to $BACKUPS --snapshot-size 16M --thaw "/share/hook slow 50"
midway
kill -STOP $WORKER
slow 0
overwrite slow/volume-big 130 14
warned() {
    local said
    read -r -d '' said < $SAID || true
    [[ $said == *%* ]]
}
wait_for 30 "a warning" warned
kill -CONT $WORKER
end 0
archive_of volume-big
nothing_left
