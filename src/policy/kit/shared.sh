
# Writes the certificate that all runners share, and its key.
printf '%s\n' @CERT@ >"$kit/cert.pem"
printf '%s\n' @KEY@ >"$kit/key.pem"
