
# cloud-init keeps copies of this script.
rm -f "$r"/var/lib/cloud/instances/*/{user-data.txt,user-data.txt.i,cloud-config.txt,obj.pkl} \
  "$r"/var/lib/cloud/seed/*/user-data "$r"/run/cloud-init/combined-cloud-config.json

[ -n "$metadata" ] || stop 'GARM has no address in /install_runner.sh'
! grep -qs ACTIONS_RUNNER_HOOK_JOB_STARTED "$home/actions-runner/.env" ||
  stop 'the image has a job-started hook of its own, which would leave the key to the job'

rm -rf "$kit"
mkdir "$kit"
cat >"$kit/cert.pem" <<'PEM'
@CERT@PEM
cat >"$kit/key.pem" <<'PEM'
@KEY@PEM
# The same curl fetches the runner from GitHub: the system's authorities, then ours.
for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
  /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem ''; do
  [ -n "$bundle" ] || stop 'the image has no bundle of certificate authorities'
  [ ! -s "$r$bundle" ] || break
done
{ cat "$r$bundle" && echo && cat; } >"$kit/ca.pem" <<'PEM'
@CA@PEM
before=/dev/null
if [ -e "$home/.curlrc" ]; then
  before=$kit/curlrc
  cp "$home/.curlrc" "$before"
fi
{ cat "$before" && printf '\n%s = "%s"\n' cert "$kit/cert.pem" key "$kit/key.pem" cacert "$kit/ca.pem"; } >"$home/.curlrc"
chown -R @OWNER@ "$kit" "$home/.curlrc"

# With the certificate the front lets in, without it nobody.
try() {
  code=0
  answer=$(curl -q -K "$1" --cacert "$kit/ca.pem" -s -m 60 --retry 5 --retry-delay 5 --retry-connrefused \
    -o "$kit/answer" -w '%{http_code}' "$2") || code=$?
}
for url in "${metadata%/}/install-script/" "$callback"; do
  try "$home/.curlrc" "$url"
  case $code:$answer in
    0:400 | 0:403 | 0:495 | 0:496 | [!0]*)
      stop "GARM cannot be reached with the runner certificate (HTTP $answer, curl $code)" ;;
  esac
  try "$before" "$url"
  case $code:$answer in
    16:* | 35:* | 52:* | 55:* | 56:* | 98:*) ;;
    0:400 | 0:403 | 0:495 | 0:496)
      ! grep -q '"error"' "$kit/answer" || stop "GARM answers without a certificate (HTTP $answer)" ;;
    0:*) stop "GARM answers without a certificate (HTTP $answer)" ;;
    *) stop "whether GARM answers without a certificate cannot be told (curl $code)" ;;
  esac
done
rm -f "$kit/answer"

# Before a job's first step nothing of it is left.
umask 022
mkdir -p "$r/usr/local/lib/runnerctl" "$r/etc/systemd/system/service.d"
cat >"$r/usr/local/lib/runnerctl/job-started.sh" <<HOOK
#!/bin/bash
set -eu
cd "$home"
rm -rf .runnerctl/key.pem .curlrc
[ ! -e .runnerctl/curlrc ] || mv .runnerctl/curlrc .curlrc
rm -rf .runnerctl
HOOK
chmod 755 "$r/usr/local/lib/runnerctl/job-started.sh"
cat >"$r/etc/systemd/system/service.d/50-runnerctl.conf" <<CONF
[Service]
Environment=ACTIONS_RUNNER_HOOK_JOB_STARTED=$r/usr/local/lib/runnerctl/job-started.sh
CONF
