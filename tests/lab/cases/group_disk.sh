# A user in group disk whom sudo lets run what docs/lvm.md says, and nothing else, makes an archive
# only: with udevd
echo 'voltar:x:1000:1000::/tmp:/bin/bash' >> /etc/passwd
echo 'voltar:x:1000:' >> /etc/group
sed -n '/^```sudoers$/,/^```$/{/^```/!p}' /share/lvm.md > /etc/sudoers.d/voltar
[ -s /etc/sudoers.d/voltar ] || fail "docs/lvm.md has no lines for sudo"
visudo -cf /etc/sudoers.d/voltar || fail "sudo does not take the lines in docs/lvm.md"
chown voltar $BACKUPS
as_voltar() { setpriv --reuid 1000 --regid 1000 --groups 6 "$@"; }
if as_voltar sudo -n id; then fail "sudo lets the user do anything"; fi
if as_voltar sudo -n lvm lvremove --yes --force cinder-volumes/volume-00000001; then fail "sudo lets the user remove a volume"; fi
if as_voltar lvm lvs 2> /dev/null; then fail "LVM needs no rights"; fi

code=0
as_voltar voltar backup cinder-volumes/volume-00000001 --to $BACKUPS --lvm-command "sudo -n lvm" > $SAID 2>&1 || code=$?
show
[ $code = 0 ] || fail "exit code $code"
archive_of volume-00000001
[ "$(stat -c %U "$ARCHIVE")" = voltar ] || fail "somebody else's archive"
nothing_left
