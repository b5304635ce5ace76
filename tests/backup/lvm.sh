# Stands for lvm: one volume, and snapshots of it that are all the same device. What it says was recorded from the real one.
# Arguments: its folder, the recordings, the group, the device; then those of lvm.
dir=$1 recorded=$2 group=$3 device=$4
shift 4
origin=volume-00000001 snapshot=volume-00000001-voltar-20250102T030405Z
printf '%s\n' "$*" >> "$dir/asked"
for argument; do
    case $before in
        --name) name=$argument ;;
        --addtag) tags=$tags,$argument ;;
    esac
    before=$argument
done
last=${before#"$group"/}

row() {
    grep '"lv_name"' "$recorded/$1.json" | sed 's/,$//'
}

snapshot_row() {
    state=snapshot
    [ -e "$dir/extended" ] && state=snapshot_extended
    [ -e "$dir/overflowed" ] && state=snapshot_overflowed
    row $state | sed "s/$snapshot/$1/; s/\"lv_tags\":\"[^\"]*\"/\"lv_tags\":\"$(cat "$dir/snapshots/$1")\"/; s/\"0\.00\"/\"$(cat "$dir/percent")\"/"
}

rows() {
    case " $* " in
        *" --select "*) ;;
        *) row linear ;;
    esac
    for path in "$dir"/snapshots/*; do
        [ -e "$path" ] && snapshot_row "${path##*/}"
    done
}

document() {
    printf '{"report":[{"lv":['
    sed "s/cinder-volumes/$group/g" | paste -s -d ,
    printf ']}]}\n'
}

case $1 in
    vgs)
        report=groups
        case "$*" in *pv_free*) report=space ;; esac
        sed "s/cinder-volumes/$group/g" "$recorded/$report.json"
        ;;
    lvs)
        if [ "$last" = "$origin" ]; then
            row linear | document
        elif [ -e "$dir/snapshots/$last" ]; then
            snapshot_row "$last" | document
        elif [ "$last" = "$before" ]; then
            rows "$@" | document
        else
            document < /dev/null
            cat "$recorded/no_volume.err" >&2
            exit 5
        fi
        ;;
    lvcreate)
        if [ -e "$dir/lvcreate.fails" ]; then
            cat "$recorded/create_full.err" >&2
            exit 5
        fi
        printf '%s' "${tags#,}" > "$dir/snapshots/$name"
        mkdir -p "/dev/$group"
        cp -a "$device" "/dev/$group/$name"
        ;;
    lvremove)
        if [ -e "$dir/lvremove.fails" ]; then
            cat "$recorded/remove_busy.err" >&2
            exit 5
        fi
        rm "$dir/snapshots/$last" "/dev/$group/$last"
        ;;
    lvextend)
        touch "$dir/extended"
        ;;
    *)
        echo "what is $1?" >&2
        exit 3
        ;;
esac
