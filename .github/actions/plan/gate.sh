#!/bin/sh
# Turns the worst exit code of the reports into the verdict of the job, after the reports are written and kept.
set -eu
case "$MESH_GATE" in
  true | false) ;;
  *)
    echo '::error title=mesh::the input `gate` is neither `true` nor `false`'
    exit 64
    ;;
esac
case "$MESH_CODE" in
  0 | 2) ;;
  3)
    if [ "$MESH_GATE" = true ]; then
      echo '::error title=mesh::a BREAKING or WIDENING change is not acknowledged: acknowledge it in mesh.yaml, or undo it'
      exit 3
    fi
    echo '::warning title=mesh::a BREAKING or WIDENING change is not acknowledged'
    ;;
  1)
    echo '::error title=mesh::the mesh does not compile: see the annotations and the log'
    exit 1
    ;;
  7)
    echo '::error title=mesh::the change could not be checked: see the log'
    exit 7
    ;;
  *)
    echo "::error title=mesh::mesh ended with exit code $MESH_CODE: see the log"
    exit "$MESH_CODE"
    ;;
esac
