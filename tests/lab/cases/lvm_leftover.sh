# The leftover of an unfinished removal is named, never archived, and removed on request
# only: with udevd
leftover=volume-00000001-voltar-20250102T030405Z
lvcreate -q --yes --snapshot --permission r --size 8M --addtag voltar --addtag lab --name $leftover cinder-volumes/volume-00000001
# lvremove makes a volume of the snapshot first, and with this setting it fails then.
lvremove --config log/report_command_log=1 --yes --force --select lv_tags=voltar cinder-volumes/$leftover || true
[ "$(lvs --noheadings -o lv_role cinder-volumes/$leftover | tr -d ' ')" = public ] || fail "no leftover was made"

voltar 0 clean
says "kept cinder-volumes/$leftover" "voltar clean cinder-volumes/$leftover"
cat > $OUT/voltar.toml <<TOML
[[source]]
group = "cinder-volumes"

[destination]
folder = "$BACKUPS"
TOML
voltar 0 run --config $OUT/voltar.toml
says "$leftover: it was a snapshot"
[ ! -e $BACKUPS/$leftover ] || fail "the leftover was archived"
voltar 1 backup cinder-volumes/$leftover --to $BACKUPS
says "voltar clean cinder-volumes/$leftover"
voltar 0 clean cinder-volumes/$leftover
says "removed cinder-volumes/$leftover"
nothing_left
