#!/usr/bin/env bash
# scripts/gpu_sass.sh FILE: a Markdown table of what the loops that multiply cost in issue slots, from the machine code of a
# program or library that nvcc built. Takes `cuobjdump` and `nvdisasm` from PATH or the toolkit; exits 3 when they are missing.
#
# A loop is the shortest one of a kernel, by its backward branch, that has a warpgroup product (HGMMA: bf16, QGMMA: fp8) in it.
# A product's shape is in its name (64x128x32: K is 32), so counts are for 128 of K. Waiting for a stage is counted once.
set -euo pipefail
file=$1
PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
if ! command -v cuobjdump >/dev/null || ! command -v nvdisasm >/dev/null; then
  echo "gpu_sass.sh: no cuobjdump or no nvdisasm in PATH" >&2
  exit 3
fi
echo '| kernel | product | products | other slots |'
echo '|---|---|---|---|'
cuobjdump -sass "$file" | awk '
  function report() {
    if (best > 0) {
      printf "| `%s` | %s | %.1f | %.0f |\n", name, kind, best_products * 128 / depth,
          (best - best_products) * 128 / depth
    }
  }
  /Function :/ { report(); name = $3; best = 0; count = 0; delete product; delete address; next }
  match($0, /^ *\/\*[0-9a-f]+\*\/ /) {
    split($0, part, /[*]/)
    at = part[2]
    sub(/\/\* 0x.*/, "")  # the encoding
    address[at] = ++count
    product[count] = 0
    if (match($0, /[HQ]GMMA\.[0-9x]+/)) {
      product[count] = 1
      shape[count] = substr($0, RSTART, RLENGTH)
    }
    if (match($0, /BRA[A-Z.]* .*0x[0-9a-f]+/)) {
      target = $0
      sub(/.*BRA.*0x/, "", target); sub(/[^0-9a-f].*/, "", target)
      while (length(target) < length(at)) target = "0" target
      if (!(target in address)) next
      products = 0; k = 0
      for (i = address[target]; i <= count; ++i) if (product[i]) {
        ++products; kind_here = shape[i]; split(shape[i], size, "x"); k += size[3]
      }
      length_here = count - address[target] + 1
      if (products > 0 && (best == 0 || length_here < best)) {
        best = length_here; best_products = products; depth = k; kind = kind_here
      }
    }
  }
  END { report() }' | c++filt | sed -e 's/switchyard::kernels::cuda:://g' -e 's/`void /`/' -e 's/([A-Z][A-Za-z]*)`/`/' | sort
