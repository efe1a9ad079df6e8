#!/bin/sh
# Installs clinica-t1nce for CPUs into a bare Debian 12, as root: `install.sh SOURCE`, SOURCE a clone.
# Dockerfile, Apptainer definition, neurocontainers recipe and chroot.sh all run this and nothing else.
set -eu
source=$1
home=/opt/clinica-t1nce
work=$(mktemp -d)

apt-get update
# OpenMP is of xgboost, which Clinica imports.
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
  ca-certificates libgomp1 python3 python3-venv

# pip builds in its source, which may be mounted read-only.
(cd "$source" && cp -R clinica_t1nce constraints.txt pyproject.toml setup.cfg setup.py \
  README.md LICENSE "$work")
python3 -m venv "$home"
# The index of PyTorch has builds without CUDA, which take a tenth of the space, and few other packages.
"$home/bin/python" -m pip install --no-cache-dir --no-deps --constraint "$work/constraints.txt" \
  --index-url "${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}" torch
"$home/bin/python" -m pip install --no-cache-dir --constraint "$work/constraints.txt" \
  "$work" bids-validator-deno
# Dependencies of Clinica's statistics on surfaces and of xgboost on GPUs: 1.1 GB that nothing here imports.
"$home/bin/python" -m pip uninstall --yes vtk nvidia-nccl-cu12
ln -s "$home/bin/bids-validator-deno" /usr/local/bin/
for name in clinica clinica-t1nce; do
  # HOME may be absent or not to be written to: Matplotlib's cache of fonts goes elsewhere.
  printf '#!/bin/sh\nMPLCONFIGDIR=${MPLCONFIGDIR-/tmp} exec %s "$@"\n' "$home/bin/$name" \
    >"/usr/local/bin/$name"
  chmod 755 "/usr/local/bin/$name"
done

rm -rf "$work" /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
