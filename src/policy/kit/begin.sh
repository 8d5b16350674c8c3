#!/bin/bash
# The runner kit of runnerctl. Runs as root, before GARM's install script.
set -eu
umask 077
export LC_ALL=C
r=@ROOT@
home=$r/home/runner
kit=$r/run/runnerctl
installer=$r/install_runner.sh
why='the kit did not come to its end'

# cloud-init continues even if this script fails. Therefore the install script is moved away until
# everything is in place.
mv "$installer" "$installer.kept"
printf '#!/bin/sh\nexit 1\n' >"$installer"
chmod 755 "$installer"

# The value of a variable that the install script sets.
value() { sed -n "s/^\(export \)\{0,1\}$1=[\"']\(.*\)[\"']\$/\2/p" "$installer.kept" | head -n 1; }
for name in http_proxy https_proxy no_proxy; do
  proxy=$(value $name)
  [ -z "$proxy" ] || export "$name=$proxy"
done
metadata=$(value METADATA_URL)
callback=$(value CALLBACK_URL)
callback=${callback%/}
callback=${callback%/status}/status

end() {
  [ -n "$why" ] || exit 0
  set +e
  echo "runnerctl: $why" >&2
  config=$home/.curlrc
  [ -e "$config" ] || config=/dev/null
  curl -q -K "$config" -s -m 30 -o /dev/null -H "Authorization: Bearer $(value BEARER_TOKEN)" \
    -H 'Accept: application/json' -d "{\"status\":\"failed\",\"message\":\"runnerctl: $why\"}" "$callback"
  rm -rf "$kit" "$home/.curlrc" "$installer.kept"
  exit 1
}
trap end EXIT
stop() { why=$1; exit 1; }
