#!/bin/sh
# One task of a SLURM array job: its share of a CAPS. The tasks may run in any order, at any time, and
# again after a failure:
#
#   sbatch --array=1-10 examples/array_job.sh CAPS [options of t1-synth-nce]
#
# A last run without a shard, `clinica run t1-synth-nce CAPS`, makes one table of all.
# Other schedulers: put their variables for the task's number, from 1, and the number of tasks.
#SBATCH --job-name=t1-synth-nce
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
set -eu
exec clinica run t1-synth-nce "$@" \
    --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT" \
    -np "${SLURM_CPUS_PER_TASK:-1}"
