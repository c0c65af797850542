#!/usr/bin/env bash
# Remove the program and the unit; recordings, voices and settings stay where they are.
set -euo pipefail
PREFIX=${PREFIX:-/opt/sovits-daemon}
DESTDIR=${DESTDIR:-}
if [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]; then
  systemctl disable --now sovits-daemon || true
fi
rm -f "$DESTDIR/usr/lib/systemd/system/sovits-daemon.service" "$DESTDIR/usr/lib/sysusers.d/sovits-daemon.conf" \
  "$DESTDIR/usr/lib/tmpfiles.d/sovits-daemon.conf" "$DESTDIR/usr/bin/sovits-daemon"
rm -rf "$DESTDIR$PREFIX/venv"
rmdir "$DESTDIR$PREFIX" 2>/dev/null || true
echo "removed; recordings and voices are still in $DESTDIR/var/lib/sovits-daemon, settings in $DESTDIR/etc/sovits-daemon"
