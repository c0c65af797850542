#!/usr/bin/env bash
# Install sovits-daemon as a system service. Called by `make install`.
#   PREFIX   where the program goes (default /opt/sovits-daemon)
#   DESTDIR  a root to install below, for packaging and tests; then no user is made and systemd is left alone
#   PYTHON   Python 3.11 or newer
set -euo pipefail
cd "$(dirname "$0")/.."
PREFIX=${PREFIX:-/opt/sovits-daemon}
DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
venv="$DESTDIR$PREFIX/venv"

if [ -z "$DESTDIR" ] && [ "$(id -u)" -ne 0 ]; then
  echo "make install writes to $PREFIX, /etc and /usr/lib/systemd: run it as root (sudo make install)" >&2
  exit 1
fi
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "Python 3.11 or newer is needed: make install PYTHON=python3.11" >&2
  exit 1
}

echo "installing the program to $PREFIX"
install -d "$DESTDIR$PREFIX"
[ -x "$venv/bin/python" ] || "$PYTHON" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
# Compiled here, because the service may not write to the program's folder: else each start compiles everything anew.
export UV_COMPILE_BYTECODE=1
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip install --quiet --require-hashes --no-deps -r requirements.lock
VIRTUAL_ENV="$venv" "$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation --reinstall-package sovits-daemon .

echo "installing settings and the unit"
install -D -m 0644 systemd/config.example.yaml "$DESTDIR/etc/sovits-daemon/config.yaml.new"
if [ -e "$DESTDIR/etc/sovits-daemon/config.yaml" ]; then
  cmp -s "$DESTDIR/etc/sovits-daemon/config.yaml"{,.new} && rm "$DESTDIR/etc/sovits-daemon/config.yaml.new"
else
  mv "$DESTDIR/etc/sovits-daemon/config.yaml"{.new,}
fi
install -D -m 0644 systemd/environment.example "$DESTDIR/etc/sovits-daemon/environment.example"
install -D -m 0644 systemd/sovits-daemon.sysusers "$DESTDIR/usr/lib/sysusers.d/sovits-daemon.conf"
install -D -m 0644 systemd/sovits-daemon.tmpfiles "$DESTDIR/usr/lib/tmpfiles.d/sovits-daemon.conf"
install -d "$DESTDIR/usr/lib/systemd/system" "$DESTDIR/usr/bin"
sed "s|@PREFIX@|$PREFIX|g" systemd/sovits-daemon.service > "$DESTDIR/usr/lib/systemd/system/sovits-daemon.service"
ln -sfn "$PREFIX/venv/bin/sovits-daemon" "$DESTDIR/usr/bin/sovits-daemon"

if [ -z "$DESTDIR" ]; then
  systemd-sysusers sovits-daemon.conf
  systemd-tmpfiles --create sovits-daemon.conf
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    echo "done: systemctl start sovits-daemon (and: systemctl enable sovits-daemon)"
  else
    echo "done: systemd is not running here; start the service after the next boot"
  fi
fi
