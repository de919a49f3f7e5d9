# Makes `make.sh` of a folder of vectors run `make.py` with PyTorch and transformers (source it).
#
# The first run installs the pinned packages from PyPI (PyTorch's Linux wheel brings CUDA along:
# 5.4 GB on disk) into a folder outside the checkout that later runs find again:
# $DF11_TRANSFORMERS_VENV, else under the user's cache folder.

venv=${DF11_TRANSFORMERS_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/df11/transformers-1}
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    # Modules of transformers 4 hold a matrix an expert, as released checkpoints do; those of 5 hold
    # all experts in one tensor.
    "$venv/bin/pip" install --quiet --no-cache-dir torch==2.15.0 transformers==4.57.6 diffusers==0.36.0
    "$venv/bin/pip" install --quiet --no-cache-dir --target "$venv/transformers-5" transformers==5.23.0
    touch "$venv/complete"
fi
export HF_HUB_OFFLINE=1 PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1

# with_transformers_4 SCRIPT ARGUMENT..., with_transformers_5 SCRIPT ARGUMENT...
with_transformers_4() { "$venv/bin/python" "$@"; }
with_transformers_5() { PYTHONPATH=$venv/transformers-5 "$venv/bin/python" "$@"; }
