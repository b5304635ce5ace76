# Of ten volumes in one run nine become archives though one can't be read; reports say so, and old archives of the nine go
# only: with udevd
device_mapper create breaking --table "0 40960 linear $DISK3 2048"
vgcreate -q night /dev/mapper/breaking
lvcreate -q --yes --size 12M --name volume-05 night
vgextend -q night $DISK4
truncate -s 12M $OUT/small.img
mke2fs -q -t ext4 -d /lab/tree/etc $OUT/small.img
dd if=$OUT/small.img of=/dev/night/volume-05 bs=1M status=none oflag=direct
for i in 01 02 03 04 06 07 08 09 10; do
    lvcreate -q --yes --size 12M --name volume-$i night $DISK4
    dd if=$OUT/small.img of=/dev/night/volume-$i bs=1M status=none oflag=direct
done
lvcreate -q --yes --size 12M --name scratch night $DISK4
# LVM's own area at the beginning stays; all that the volume has gives errors.
dmsetup load breaking --table "0 2048 linear $DISK3 2048
2048 38912 error"
device_mapper resume breaking

# Archives of a year ago: of a volume that can be read, and of the one that can't.
for i in 01 05; do
    mkdir $BACKUPS/volume-$i
    for ending in "" .sha1 .manifest.jsonl.zst; do
        echo old > $BACKUPS/volume-$i/volume-${i}_2025-01-01T000000Z.tar.zst$ending
    done
done
cat > $OUT/night.toml <<TOML
[[source]]
group = "night"
include = ["volume-*"]

[destination]
folder = "$BACKUPS"

[retention]
keep_days = 14

[report]
json = "$OUT/report.json"
html = "$OUT/report.html"
metrics = "$OUT/voltar.prom"
TOML
voltar 0 config check $OUT/night.toml
voltar 1 run --config $OUT/night.toml
says volume-01 volume-05 volume-10
says_nothing_of scratch
for i in 02 03 04 06 07 08 09 10; do archive_of volume-$i; done
archive_of volume-01
found=($BACKUPS/volume-05/*)
[ ${#found[@]} = 3 ] || fail "of the broken volume there is ${found[*]}"
[ ! -e $BACKUPS/scratch ] || fail "what was left out is there"
nothing_left
for file in report.json report.html voltar.prom; do
    [ -s $OUT/$file ] || fail "no $file"
    text=$(< $OUT/$file)
    [[ $text == *volume-05* ]] || fail "$file has nothing of the broken volume: $text"
done
mkdir $OUT/mnt
mount -o ro /dev/night/volume-10 $OUT/mnt
extract $BACKUPS/volume-10/*.tar.zst $OUT/tree
equal_trees $OUT/tree $OUT/mnt
umount $OUT/mnt

dmsetup load breaking --table "0 40960 linear $DISK3 2048"
device_mapper resume breaking
vgremove -q -f night
device_mapper remove breaking
