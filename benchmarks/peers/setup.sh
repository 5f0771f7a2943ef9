#!/usr/bin/env bash
# The peers' environments, in the user's cache folder: setup.sh [export] [mnn] [deepsparse]
# export: what check_export.py wants besides; PyPI's PyTorch comes with CUDA's libraries, 3 GB of downloads.
# MNN wants an older protobuf than the others, so it has one apart.
# DeepSparse (its own licence; a bar to compare with, nothing of ours needs it) wants Python 3.10 and an environment apart.
set -euo pipefail
cache=${PEERS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/serpette/peers}
mkdir -p "$cache"
if [[ ! -e $cache/python/complete ]]; then
  python3 -m venv "$cache/python"
  "$cache/python/bin/pip" install --quiet numpy onnx onnxruntime openvino nncf ncnn
  "$cache/python/bin/pip" install --quiet --no-deps pnnx  # its program alone, which needs no PyTorch
  touch "$cache/python/complete"
fi
if [[ " $* " == *" export "* && ! -e $cache/python/export ]]; then
  "$cache/python/bin/pip" install --quiet opencv-python-headless torch
  touch "$cache/python/export"
fi
if [[ " $* " == *" mnn "* && ! -e $cache/mnn/complete ]]; then
  python3 -m venv "$cache/mnn"
  "$cache/mnn/bin/pip" install --quiet MNN numpy
  touch "$cache/mnn/complete"
fi
if [[ " $* " == *" deepsparse "* && ! -e $cache/deepsparse/complete ]]; then
  python3.10 -m venv "$cache/deepsparse"
  "$cache/deepsparse/bin/pip" install --quiet deepsparse==1.8.0 'onnx<1.15' 'numpy<1.24' 'protobuf<4'
  touch "$cache/deepsparse/complete"
fi
echo "peers: $cache"
