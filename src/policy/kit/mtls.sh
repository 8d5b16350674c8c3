
# cloud-init keeps copies of this script.
rm -f "$r"/var/lib/cloud/instances/*/{user-data.txt,user-data.txt.i,cloud-config.txt,obj.pkl} \
  "$r"/var/lib/cloud/seed/*/user-data "$r"/run/cloud-init/{combined-cloud-config,instance-data-sensitive}.json

started=ACTIONS_RUNNER_HOOK_JOB_STARTED
[ -n "$metadata" ] || stop 'GARM has no address in /install_runner.sh'
! grep -qs $started "$home/actions-runner/.env" ||
  stop 'the image has a job-started hook of its own, which would leave the key to the job'

# The hook removes the key and the certificate: before the first step of a job, and at the end of the
# install. Both may happen at the same time.
lib=$r/usr/local/lib/runnerctl
hook=$lib/job-started.sh
umask 022
conf=$r/etc/systemd/system.conf.d
mkdir -p "$lib" "$conf"
cat >"$hook" <<HOOK
#!/bin/bash
set -eu
exec 9<"$hook"
flock -w 30 9
rm -rf "$kit"/*
if grep -qsF "$kit/key.pem" "$home/.curlrc"; then
  if [ -e "$home/.curlrc.image" ]; then mv -f "$home/.curlrc.image" "$home/.curlrc"; else rm -f "$home/.curlrc"; fi
fi
[ ! -e "$kit/key.pem" ]
HOOK
chmod 755 "$hook"
# Drop-ins for all services would need systemd 244. This setting also applies to all services, and
# works with every version.
printf '[Manager]\nDefaultEnvironment=%s\n' "$started=$hook" >"$conf/50-runnerctl.conf"
umask 077
! command -v restorecon >/dev/null || restorecon -RF "$lib" "$conf" || :
# Checks that a service like the runner's has the variable before there is a key.
command -v flock >/dev/null || stop 'the image has no flock command, which the job-started hook needs'
systemctl daemon-reload || stop 'systemd cannot be told of the job-started hook'
seen=$(systemd-run --quiet --wait --pipe printenv $started </dev/null) || :
[ "$seen" = "$hook" ] || stop 'the job-started hook is not in force: systemd gives services none of it'

# The key and the certificate are only in memory. printf is used instead of here-documents, which
# older shells write to a file in /tmp.
case $(stat -f -c %T "$r/run") in
  tmpfs | ramfs) ;;
  *) stop '/run is not in memory, so that the key would be on a disk' ;;
esac
rm -rf "$kit"
mkdir "$kit"
# The same curl downloads the runner from GitHub, so it trusts the system's CAs and ours.
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
  /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem ''; do
  [ -n "$bundle" ] || stop 'the image has no bundle of certificate authorities'
  [ ! -s "$r$bundle" ] || break
done
{ cat "$r$bundle" && printf '\n%s\n' @CA@; } >"$kit/ca.pem"
before=/dev/null
if [ -e "$home/.curlrc" ]; then
  before=$home/.curlrc.image
  mv "$home/.curlrc" "$before"
fi
