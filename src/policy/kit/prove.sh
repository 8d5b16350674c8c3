
{ cat "$before" && printf '\n%s = "%s"\n' cert "$kit/cert.pem" key "$kit/key.pem" cacert "$kit/ca.pem"; } >"$home/.curlrc"
chown -R @OWNER@ "$kit" "$home/.curlrc"

# The reverse proxy must accept the certificate, and refuse every request without it.
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

# The key is removed at the end of the install, even if no job comes. If the install script is not a
# shell script, only the hook removes it.
case $(head -n 1 "$installer.kept") in
  '#!'*sh*) sed -i "1a trap '$hook' EXIT" "$installer.kept" ;;
esac
