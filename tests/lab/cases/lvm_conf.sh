# Settings of lvm.conf that change what LVM prints or does change nothing for a backup
# only: without udevd
mkdir -p /etc/lvm
[ -e /etc/lvm/lvm.conf ] || : > /etc/lvm/lvm.conf
cp /etc/lvm/lvm.conf $OUT/lvm.conf
trap 'cp $OUT/lvm.conf /etc/lvm/lvm.conf' EXIT
settings=(
    'global { test = 1 }'
    'global { units = "h" suffix = 1 si_unit_consistency = 0 }'
    'log { command_names = 1 indent = 1 prefix = "lvm: " silent = 1 verbose = 3 }'
    'log { report_command_log = 1 }'
    'report { output_format = "json" }'
    'report { binary_values_as_numeric = 1 list_item_separator = ";" quoted = 0 }'
    'report { compact_output = 1 }'
    'report { compact_output_cols = "lv_tags,origin,pool_lv" headings = 0 buffered = 0 aligned = 0 }'
    'report { prefixes = 1 columns_as_rows = 1 lvs_sort = "-lv_size" mark_hidden_devices = 0 }'
)
for setting in "${settings[@]}"; do
    echo "== $setting"
    rm -rf "${BACKUPS:?}"/*
    cp $OUT/lvm.conf /etc/lvm/lvm.conf
    echo "$setting" >> /etc/lvm/lvm.conf
    # What LVM prints goes where it is read.
    LVM_OUT_FD=9 LVM_ERR_FD=9 LVM_REPORT_FD=9 voltar 0 backup cinder-volumes/volume-00000001 --to $BACKUPS
    voltar 0 clean
    says "nothing to remove"
    cp $OUT/lvm.conf /etc/lvm/lvm.conf
    archive_of volume-00000001
    nothing_left
done
