#!/usr/bin/env bash
# Submits a study as a Slurm array job, one task per shard, and a job that collects the cells when all tasks are over.
#
# usage: [STUDY=program] [SBATCH_…=…] submit.sh SHARDS[%AT_ONCE] OPTIONS_OF_STUDY…
#   STUDY=build/release/bin/study programs/cluster/submit.sh 8%4 --budget demo --out /shared/study
#
# Prints the ids of both jobs. The same line again goes on where the last one stopped.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

[[ ${1:-} =~ ^[1-9][0-9]*(%[1-9][0-9]*)?$ ]] || {
  echo "usage: submit.sh SHARDS[%AT_ONCE] OPTIONS_OF_STUDY…, got \"${1:-}\" for the number of shards" >&2
  exit 2
}
tasks=$1
shift
export SHARDS=${tasks%\%*}
STUDY=$(command -v "${STUDY:-study}") || { echo "STUDY should name the program study, got \"${STUDY:-study}\"" >&2; exit 2; }
STUDY=$(readlink -f "$STUDY")
export STUDY

array=$(sbatch --parsable --array="1-$tasks" "$here/shard.sbatch" "$@")
# afterany: also after a shard that failed, since collecting says which cells are missing and why.
collect=$(sbatch --parsable --dependency="afterany:${array%%;*}" "$here/collect.sbatch" "$@")
echo "shards ${array%%;*} collect ${collect%%;*}"
