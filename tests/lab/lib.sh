# What the cases share. A case is a list of commands that stops at the first one that fails (set -e).

export LC_ALL=C
BACKUPS=/backups            # where archives go; empty when a case begins
OUT=/lab/out                # where a case puts what it makes; empty when it begins
SAID=/lab/said              # what the program said last, both streams
CASE_SECONDS=300            # at most, of a case: a machine that does much else is slow
PARTITION_START=1048576     # of the first partition, in bytes
shopt -s nullglob

[ -d /lab ] || mkdir /lab
[ -p /lab/silence ] || mkfifo /lab/silence

fail() { echo "FAILED: $*"; exit 1; }

nap() { # SECONDS, without a process
    read -r -t "$1" <> /lab/silence || true
}

wait_for() { # SECONDS WHAT COMMAND...: until the command succeeds
    local end=$((SECONDS + $1 + 1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < end)) || { show; fail "waited in vain: $what"; }
        nap 0.03
    done
}

# --- The program -----------------------------------------------------------------------------------------------------

show() { # what the program said
    echo "--- it says:"
    cat "$SAID"
    echo "---"
}

voltar() { # EXIT_CODE ARGUMENT...: runs it, and its exit code must be that one
    local code=0 wanted=$1
    shift
    echo "$ voltar $*"
    command voltar "$@" > "$SAID" 2>&1 < /dev/null || code=$?
    show
    [ "$code" = "$wanted" ] || fail "exit code $code, not $wanted"
}

begin() { # ARGUMENT...: starts it in the background, in a process group of its own; its number is in PARENT
    echo "$ voltar $* &"
    set -m
    command voltar "$@" > "$SAID" 2>&1 < /dev/null &
    PARENT=$!
    set +m
}

end() { # EXIT_CODE: waits for it
    local code=0
    wait "$PARENT" || code=$?
    show
    [ "$code" = "$1" ] || fail "exit code $code, not $1"
}

says() { # PATTERN...: each is in what it said, whatever the case of letters
    local said pattern
    read -r -d '' said < "$SAID" || true
    for pattern; do
        [[ "${said,,}" == *${pattern,,}* ]] || fail "it does not say: $pattern"
    done
}

says_nothing_of() { # PATTERN
    local said
    read -r -d '' said < "$SAID" || true
    [[ "${said,,}" != *${1,,}* ]] || fail "it says: $1"
}

one_volume_config() { # a configuration of one volume
    cat > "$OUT/voltar.toml" <<TOML
[[source]]
volume = "cinder-volumes/volume-00000001"

[destination]
folder = "$BACKUPS"

[retention]
keep_last = 1
TOML
}

# --- Its processes ---------------------------------------------------------------------------------------------------

processes() { # sets PROCESSES: all that run the program
    local folder
    PROCESSES=()
    for folder in /proc/[0-9]*; do
        # Not those that are dead and not yet waited for: they have no program any more.
        if [ "$folder/exe" -ef /usr/bin/voltar ]; then PROCESSES+=("${folder#/proc/}"); fi
    done
}

worker() { # sets WORKER: the process that reads for PARENT
    local number words role
    processes
    for number in "${PROCESSES[@]}"; do
        words="" role=""
        { read -r -d '' _ && read -r -d '' words && read -r -d '' role; } < "/proc/$number/cmdline" 2> /dev/null || true
        if [ "$words $role" = "worker archive" ]; then
            WORKER=$number
            return 0
        fi
    done
    return 1
}

no_process() { processes; [ ${#PROCESSES[@]} = 0 ]; }

has_written() { # some of an archive, and not yet all of it
    local file
    worker || return 1
    # Its files have no names yet. They are all that the worker has open in the destination.
    for file in "/proc/$WORKER/fd"/*; do
        if [ -f "$file" ] && [ -s "$file" ] && [[ $(readlink "$file") == "$BACKUPS"/* ]]; then return 0; fi
    done
    return 1
}

midway() { # waits until the worker of PARENT is in the middle of its work
    wait_for 20 "a worker that writes" has_written
    worker || { show; fail "an archive without a worker"; }
}

# --- What there is ---------------------------------------------------------------------------------------------------

archive_of() { # FOLDER: sets ARCHIVE, which must be the only one there, whole
    local found=("$BACKUPS/$1"/*.tar.zst)
    [ ${#found[@]} = 1 ] || fail "archives in $BACKUPS/$1: ${found[*]:-none}"
    ARCHIVE=${found[0]}
    [[ $ARCHIVE =~ /$1_[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z\.tar\.zst$ ]] || fail "a name like $ARCHIVE"
    (cd "${ARCHIVE%/*}" && sha1sum --quiet --strict --check "$ARCHIVE.sha1")
    [ -s "$ARCHIVE.manifest.jsonl.zst" ] || fail "no manifest"
}

nothing_published() {
    local found=("$BACKUPS"/*/*)
    [ ${#found[@]} = 0 ] || fail "published: ${found[*]}"
}

nothing_left() { # no snapshot, no partial file, no process
    local found=("$BACKUPS"/*/.voltar-* /dev/*/*-voltar-*)
    [ ${#found[@]} = 0 ] || fail "left over: ${found[*]}"
    snapshots
    [ -z "$SNAPSHOTS" ] || fail "left over: $SNAPSHOTS"
    no_process || fail "still running: ${PROCESSES[*]}"
}

snapshots() { # sets SNAPSHOTS: those that LVM knows of with the program's tag, or a name of its kind
    lvs --noheadings -o lv_full_name,lv_attr,lv_tags,lv_size -S 'lv_tags=voltar || lv_name=~-voltar-' > /lab/lvs
    read -r -d '' SNAPSHOTS < /lab/lvs || true
}

one_snapshot() {
    snapshots
    [ -n "$SNAPSHOTS" ] && [[ $SNAPSHOTS != *$'\n'* ]] || fail "one snapshot is wanted, not: ${SNAPSHOTS:-none}"
}

extract() { # ARCHIVE FOLDER
    mkdir -p "$2"
    tar --zstd -xpf "$1" -C "$2" --numeric-owner --warning=no-unknown-keyword
}

listing() { # FOLDER: everything in it, with what can be compared between filesystems
    (cd "$1" && find . -name lost+found -prune -o -type d -printf '%P %y %m %U %G %Ts\n' \
        -o -printf '%P %y %m %U %G %Ts %s %n %l\n' | sort)
}

equal_trees() { # FOLDER FOLDER
    listing "$1" > /lab/listing-1
    listing "$2" > /lab/listing-2
    [ -s /lab/listing-1 ] || fail "an empty tree"
    diff /lab/listing-1 /lab/listing-2 || fail "$1 and $2 differ"
    diff -r --no-dereference --exclude=lost+found --exclude=fifo "$1" "$2" || fail "$1 and $2 differ"
}

mount_partition() { # DEVICE FOLDER [OPTION]: mounts the first partition as the kernel sees it
    mkdir -p "$2"
    mount -o "loop,offset=$PARTITION_START,sizelimit=41943040${3:+,$3}" "$1" "$2"
}

# --- Around a snapshot -----------------------------------------------------------------------------------------------

note_snapshots() { # writes down what LVM says of snapshots
    snapshots
    echo "$SNAPSHOTS" >> "$OUT/snapshots"
}

copy_snapshot() { # GROUP/VOLUME: of the snapshot that was just taken of it, byte by byte
    local found=(/dev/"$1"-voltar-*)
    dd if="${found[0]}" of="$OUT/copy.img" bs=1M iflag=direct status=none
}

thaw_and_copy() { # MOUNT_POINT GROUP/VOLUME
    fsfreeze --unfreeze "$1"
    copy_snapshot "$2"
}

terminate_parent() { # the program that started the hook
    kill -TERM $PPID
    sleep 30
}

slow_table() { # MILLISECONDS: a disk on which every read takes that long
    # From 1 MiB on, so that LVM does not find its label on the disk below as well.
    local sectors
    read -r sectors < "/sys/class/block/${DISK2##*/}/size"
    echo "0 $((sectors - 2048)) delay $DISK2 2048 $1 $DISK2 2048 0"
}

slow() { # MILLISECONDS
    dmsetup load slow --table "$(slow_table "$1")"
    device_mapper resume slow
}

device_mapper() { # dmsetup, which without udevd has to make nodes itself
    if [ -S /run/udev/control ]; then
        dmsetup "$@"
    else
        dmsetup --noudevrules --noudevsync "$@"
        dmsetup --noudevrules --noudevsync mknodes
    fi
}

overwrite() { # GROUP/VOLUME FROM COUNT: some MiB of an origin, where no filesystem is
    dd if=/dev/urandom of="/dev/$1" bs=1M seek="$2" count="$3" oflag=direct conv=notrunc status=none
}

host_sees_no_guest() { # no group of a guest, whose disk lies on a volume or on a snapshot of it
    local groups
    groups=$(vgs --noheadings -o vg_name | tr -d ' ' | sort | tr '\n' ' ')
    [ "$groups" = "cinder-volumes slow " ] || fail "the host's LVM sees the groups $groups"
}

# --- After a case ----------------------------------------------------------------------------------------------------

tidy() { # takes away what a case left; that it left something is its fault
    local device folder type left=() rest number
    processes
    for number in "${PROCESSES[@]}"; do
        left+=("process $number")
        kill -CONT "$number" 2> /dev/null || true
        kill -KILL "$number" 2> /dev/null || true
    done
    while read -r device folder type rest; do
        case $folder in
            "$OUT"* | "$BACKUPS"* | /mnt*) left+=("$folder") ;;
        esac
    done < /proc/mounts
    dmsetup ls > /lab/devices
    [ -e /lab/devices-at-first ] || cp /lab/devices /lab/devices-at-first
    if ! cmp -s /lab/devices /lab/devices-at-first; then left+=("device-mapper devices"); fi
    [ ${#left[@]} != 0 ] || return 0

    echo "FAILED: the case left ${left[*]}"
    diff /lab/devices-at-first /lab/devices || true
    for folder in "${left[@]}"; do
        case $folder in
            /*) fsfreeze -u "$folder" 2> /dev/null || true
                umount -l "$folder" || true ;;
        esac
    done
    slow 0
    kpartx_all
    lvremove -q -f -S 'lv_tags=voltar || lv_tags=lab || lv_name=by-hand || lv_name=~-snapshot' || true
    vgremove -q -f -S 'vg_name!=cinder-volumes && vg_name!=slow' || true
    # Whatever is left even now is no fault of the cases that come.
    dmsetup ls > /lab/devices-at-first
    return 1
}

kpartx_all() { # takes away partitions of volumes
    local device
    for device in /dev/cinder-volumes/volume-*; do
        kpartx -d "$device" || true
    done
}
