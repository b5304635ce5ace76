# A user in group disk whom sudo lets run LVM's commands, and nothing else, makes an archive
# only: with udevd
echo 'lab:x:1000:1000::/tmp:/bin/bash' >> /etc/passwd
echo 'lab:x:1000:' >> /etc/group
echo 'lab ALL=(root) NOPASSWD: /usr/sbin/lvm' > /etc/sudoers.d/lab
chown lab $BACKUPS
as_lab() { setpriv --reuid 1000 --regid 1000 --groups 6 "$@"; }
if as_lab sudo -n id; then fail "sudo lets the user do anything"; fi
if as_lab lvm lvs 2> /dev/null; then fail "LVM needs no rights"; fi

code=0
as_lab voltar backup cinder-volumes/volume-00000001 --to $BACKUPS --lvm-command "sudo -n lvm" > $SAID 2>&1 || code=$?
show
[ $code = 0 ] || fail "exit code $code"
archive_of volume-00000001
[ "$(stat -c %U "$ARCHIVE")" = lab ] || fail "somebody else's archive"
nothing_left
