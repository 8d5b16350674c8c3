
# Generates a key on this machine. The signer asks GARM whether the token is valid.
command -v openssl >/dev/null || stop 'the image has no openssl command, which makes the key'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$kit/key.pem" 2>/dev/null
printf '[req]\ndistinguished_name=dn\n[dn]\n' >"$kit/config"
request=$(openssl req -new -key "$kit/key.pem" -subj /CN=runner -config "$kit/config" | sed 's/$/\\n/' | tr -d '\n')
code=0
answer=$(curl -q -K "$before" --cacert "$kit/ca.pem" -s -m 60 --retry 5 --retry-delay 5 --retry-connrefused \
  -o "$kit/answer" -w '%{http_code}' -H "Authorization: Bearer $(value BEARER_TOKEN)" \
  -d "{\"csr\":\"$request\",\"common_name\":\"runner\"}" @SIGNER@) || code=$?
[ "$code:$answer" = 0:200 ] || stop "the signer gives no certificate (HTTP $answer, curl $code)"
# Extracts the certificate and the CAs above it from one line of JSON.
{
  sed -n 's/.*"certificate":"\([^"]*\)".*/\1\\n/p' "$kit/answer"
  sed -n 's/.*"ca_chain":\["\([^]]*\)"\].*/\1\\n/p' "$kit/answer"
} | sed 's/","/\\n/g; s/\\n/\n/g' >"$kit/cert.pem"
[ "$(openssl x509 -in "$kit/cert.pem" -noout -pubkey 2>/dev/null)" = "$(openssl pkey -in "$kit/key.pem" -pubout)" ] ||
  stop 'the signer gives a certificate of another key'
rm -f "$kit/answer" "$kit/config"
