#!/usr/bin/env bash
# From a BIDS data set that mixes T1nce and T1ce to tissue volumes of a homogeneous one.
#
#   examples/three_commands.sh BIDS FOLDER [OPTION of t1-synth-nce]...
#
# FOLDER receives the view with one T1w a session (separated/), the CAPS of t1-linear and
# t1-synth-nce (caps/), the BIDS with one T1nce a session (homogenised/) and the CAPS of the tissue
# volumes (volumes/). Given again, it does what is new. NP processes (1 if not set). The last
# command needs SPM (SPMSTANDALONE_HOME, MCR_HOME), as Clinica does; without, the others are run.
set -euo pipefail
bids=$1 folder=$2 np=${NP:-1}
shift 2

# Sessions that hold both images become two: t1-linear would leave them out.
clinica-t1nce separate "$bids" "$folder/separated"

# ANTsPy needs no installation of ANTs but, in Clinica 0.12, warps the images: for an analysis of
# volumes, leave --use-antspy out, or add as OPTIONS
#   --output-space native --bids-directory FOLDER/separated
clinica run t1-linear "$folder/separated" "$folder/caps" --use-antspy -np "$np"
clinica run t1-synth-nce "$folder/caps" --bids-output "$folder/homogenised" -np "$np" "$@"
if [ -z "${SPMSTANDALONE_HOME:-}" ]; then
  echo "SPMSTANDALONE_HOME is not set: no tissue volumes"
  exit
fi
clinica run t1-volume-tissue-segmentation "$folder/homogenised" "$folder/volumes" -np "$np"
