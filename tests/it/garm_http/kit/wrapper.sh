#!/bin/bash
# What GARM puts at /install_runner.sh: the calls of its `linux_wrapper.tmpl`, letter by letter, but
# for the place of the script that is fetched.
set -e
set -o pipefail

CALLBACK_URL="@URL@/api/v1/callbacks"
METADATA_URL="@URL@/api/v1/metadata"
BEARER_TOKEN="@TOKEN@"

function call() {
	PAYLOAD="$1"
	[[ $CALLBACK_URL =~ ^(.*)/status(/)?$ ]] || CALLBACK_URL="${CALLBACK_URL}/status"
	curl --retry 5 --retry-delay 5 --retry-connrefused --fail -s -X POST -d "${PAYLOAD}" -H 'Accept: application/json' -H "Authorization: Bearer ${BEARER_TOKEN}" "${CALLBACK_URL}" || echo "failed to call home: exit code ($?)"
}

function fail() {
	MSG="$1"
	call "{\"status\": \"failed\", \"message\": \"$MSG\"}"
	exit 1
}

HTTP_CODE=$(curl -H "Authorization: Bearer $BEARER_TOKEN" --retry 5 --retry-delay 5 --retry-connrefused -s -w "%{http_code}" -o "$HOME/real-install.sh" "$METADATA_URL/install-script/" || echo "000")
if [ "$HTTP_CODE" != "200" ]; then
	BODY=$(cat "$HOME/real-install.sh" 2>/dev/null || true)
	rm -f "$HOME/real-install.sh"
	fail "failed to fetch install script (HTTP ${HTTP_CODE})"
fi

chmod +x "$HOME/real-install.sh"
"$HOME/real-install.sh"
rm -f "$HOME/real-install.sh"
