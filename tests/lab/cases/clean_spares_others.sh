# `voltar clean` leaves what somebody else took: without a mark always, with a mark by hand unless it is named
# only: without udevd
take() { lvcreate -q --snapshot --size 4M --permission r "$@" cinder-volumes/volume-00000001; }
take --addtag lab --name theirs-voltar-20250102T030405Z
take --addtag lab --addtag voltar --name by-hand
voltar 0 clean
says "by-hand"
voltar 1 clean cinder-volumes/theirs-voltar-20250102T030405Z
voltar 1 clean cinder-volumes/volume-00000001
voltar 0 clean --dry-run cinder-volumes/by-hand
lvs --noheadings -o lv_name cinder-volumes > $OUT/volumes
grep -q theirs-voltar $OUT/volumes && grep -q by-hand $OUT/volumes || fail "$(< $OUT/volumes)"
voltar 0 clean cinder-volumes/by-hand
lvs --noheadings -o lv_name cinder-volumes > $OUT/volumes
if grep by-hand $OUT/volumes; then fail "it is still there"; fi
lvremove -q -f cinder-volumes/theirs-voltar-20250102T030405Z
nothing_left
