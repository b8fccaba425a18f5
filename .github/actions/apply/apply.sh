#!/bin/sh
# Publishes the mesh as it is checked out to a store; refuses a commit that is not its branch's newest.
set -eu

# A run that is started again, or approved late, would put an older mesh in the place of a newer one.
newest() {
  login=$(printf 'x-access-token:%s' "$MESH_TOKEN" | base64 | tr -d '\n')
  key="http.${GITHUB_SERVER_URL:-https://github.com}/.extraheader"
  GIT_TERMINAL_PROMPT=0 GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0="$key" GIT_CONFIG_VALUE_0="" \
    GIT_CONFIG_KEY_1="$key" GIT_CONFIG_VALUE_1="AUTHORIZATION: basic $login" \
    git ls-remote --exit-code origin "$GITHUB_REF" | cut -f1
}

case "$MESH_NEWEST_ONLY" in
  true)
    tip=$(newest)
    if [ -z "$tip" ]; then
      echo '::error title=mesh::the newest commit of the branch cannot be had, so nothing was published'
      exit 7
    fi
    if [ "$tip" != "$(git rev-parse HEAD)" ]; then
      echo '::error title=mesh::this is not the newest commit of the branch any more, so nothing was published'
      exit 5
    fi
    ;;
  false) ;;
  *)
    echo '::error title=mesh::the input `newest-only` is neither `true` nor `false`'
    exit 64
    ;;
esac
unset MESH_TOKEN

set -- "$MESH" -C "${MESH_DIRECTORY:-.}" -f "${MESH_FILE:-mesh.yaml}"
[ -z "$MESH_ENVIRONMENT" ] || set -- "$@" --env "$MESH_ENVIRONMENT"
while IFS= read -r pair || [ -n "$pair" ]; do
  [ -z "$pair" ] || set -- "$@" --param "$pair"
done <<END
$MESH_PARAMETERS
END
set -- "$@" apply --store "$MESH_STORE" --channel "$MESH_CHANNEL"
[ -z "$MESH_EXPECT_SEQ" ] || set -- "$@" --expect-seq "$MESH_EXPECT_SEQ"

said="$RUNNER_TEMP/mesh-apply.txt"
status=0
"$@" >"$said" 2>"$said.log" || status=$?
# What mesh prints may hold words from anywhere: no line of it is a command to the runner.
mark=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
echo "::stop-commands::$mark"
cat "$said.log" "$said"
echo "::$mark::"
if [ "$status" -ne 0 ]; then
  echo "::error title=mesh::nothing was published: mesh apply ended with exit code $status"
  exit "$status"
fi
# published: CHANNEL #SEQ DIGEST
seq=$(sed -n 's/^[a-z ]*: [^ ]* #\([0-9]*\) .*$/\1/p' "$said")
plan=$(sed -n 's/^[a-z ]*: [^ ]* #[0-9]* \([a-z0-9:]*\)$/\1/p' "$said")
{
  echo "seq=$seq"
  echo "plan=$plan"
} >>"$GITHUB_OUTPUT"
printf '`%s` #%s is `%s`\n' "$MESH_CHANNEL" "$seq" "$plan" >>"$GITHUB_STEP_SUMMARY"
