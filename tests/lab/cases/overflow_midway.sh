# A snapshot that overflows in the middle of a run never becomes an archive
begin backup slow/volume-big --to $BACKUPS --snapshot-size 8M --thaw "/share/hook slow 100"
midway
kill -STOP $WORKER
slow 0
overwrite slow/volume-big 160 16
lvs -o lv_full_name,lv_attr,snap_percent,lv_snapshot_invalid slow
nothing_published
kill -CONT $WORKER
end 1
says "overflow" "volume-big"
nothing_published
nothing_left
