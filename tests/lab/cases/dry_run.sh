# `voltar run --dry-run` says what it would do, and changes nothing
# only: without udevd
one_volume_config
mkdir $BACKUPS/volume-00000001
old=$BACKUPS/volume-00000001/volume-00000001_2025-01-01T000000Z.tar.zst
touch $old
lvs --noheadings -o lv_full_name,lv_size > $OUT/before
voltar 0 run --config $OUT/voltar.toml --dry-run
says volume-00000001
lvs --noheadings -o lv_full_name,lv_size > $OUT/after
diff $OUT/before $OUT/after
found=($BACKUPS/*/* $BACKUPS/*/.voltar-*)
[ "${found[*]}" = $old ] || fail "there is ${found[*]}"
nothing_left
