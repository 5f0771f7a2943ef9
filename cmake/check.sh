# Sourced by ./run: the slow checks, the tools they need, and the documentation.

sources() { git ls-files --cached --others --exclude-standard '*.hpp' '*.cpp' '*.cuh' '*.cu'; }

# tools: the pinned Python tools of requirements-dev.txt, in the user's cache, first on PATH.
tools() {
  local folder
  folder=$cache/tools-$(sha256sum requirements-dev.txt | cut -c 1-12)
  if [[ ! -e $folder/complete ]]; then
    mkdir -p "$cache"
    say "set-up will install $(grep -v '^#' requirements-dev.txt | xargs) from PyPI into $folder"
    rm -rf "$folder"
    python3 -m venv "$folder"
    step "$folder/bin/pip" install --quiet -r requirements-dev.txt
    touch "$folder/complete"
  fi
  PATH=$folder/bin:$PATH
}

documentation() {
  NO_MKDOCS_2_WARNING=1 step mkdocs build --strict --quiet
  step doxygen docs/Doxyfile  # into the site's folder cpp/
  step python3 docs/check_site.py build/docs/site
  say "pages: build/docs/site/index.html; their search works where they are served (python3 -m http.server -d build/docs/site)"
}

check_format() { sources | xargs clang-format --dry-run --Werror; }
# Each header compiled alone: shows missing includes, all of them in one run (-k 0).
check_headers() { build headers verify_headers -- -k 0; }
# Address and undefined-behaviour sanitizers over all that needs no LibTorch, and the fuzz corpora.
check_asan() { build asan && step ctest --preset asan --parallel "$(nproc)"; }
# Linked with LibTorch's CUDA libraries. Without a GPU that shows that all is there to link and to load, and the tests of devices
# hold the second device in its place; with one they hold the GPU.
check_cuda() {
  local root
  if ! has_driver; then root=$(libtorch_with_cuda); export LIBTORCH_ROOT=$root; fi
  build cuda unit_method unit_distributed train study bench_gpu
  export OMP_NUM_THREADS=1  # as ctest runs them
  step build/cuda/bin/unit_method "[device]"
  step build/cuda/bin/unit_distributed
  step build/cuda/bin/bench_gpu  # says so where there is no GPU
}
# Every fuzz target for SERPETTE_FUZZ_SECONDS (ten minutes), as many at once as cores and memory allow, from the corpus that is kept
# and what earlier runs found; what each said is in build/fuzz/NAME.log. What goes wrong is kept in build/fuzz/found; the corpus of
# tests/fuzz is replayed by the ordinary tests.
check_fuzz() {
  local target name
  local targets=()
  for target in tests/fuzz/*.cpp; do
    name=$(basename "$target" .cpp)
    [[ $name == replay ]] || targets+=("$name")
  done
  build fuzz "${targets[@]/#/fuzz_}"
  mkdir -p build/fuzz/found "${targets[@]/#/build/fuzz/corpus/}"
  export -f say step
  printf '%s\n' "${targets[@]}" | xargs -P "$(jobs)" -I NAME bash -c '
    step build/fuzz/bin/fuzz_NAME -max_total_time="${SERPETTE_FUZZ_SECONDS:-600}" -timeout=20 -rss_limit_mb=1500 -max_len=8192 \
      -print_final_stats=1 -artifact_prefix=build/fuzz/found/NAME- build/fuzz/corpus/NAME tests/fuzz/corpus/NAME > build/fuzz/NAME.log 2>&1
    status=$?
    say "fuzz: NAME: exit status $status, $(grep number_of_executed_units build/fuzz/NAME.log || tail -n 1 build/fuzz/NAME.log)"
    exit $status'
}
# All that is compiled, as it is compiled: some sources together, in what CMake writes of them below build/tidy. Says what it reads.
# OpenMP's header is the compiler's, clang-tidy has none of its own.
check_tidy() {
  configure tidy
  local headers
  headers=$(clang++ -print-file-name=include)
  python3 - build/tidy <<'PYTHON' | xargs -P "$(jobs)" -n 1 clang-tidy -quiet -p build/tidy \
    -extra-arg=-idirafter"$headers" -header-filter "^$PWD/(include|src|programs|examples|tests)/"
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1]).resolve()
files = {entry["file"] for entry in json.loads((folder / "compile_commands.json").read_text())}
for file in sorted(file for file in files if f"{folder}/_deps/" not in file and f"{folder}/pch/" not in file):
    print("tidy:", file, file=sys.stderr)
    print(file)
PYTHON
}
check_docs() { documentation; }
# The lines of include/ that the tests run: a table, build/coverage/html with each line, and a failure below 90 %. -O0, so that
# every line is one; what failed to pass does not count either.
# What libgcov says of sources that several programs share goes to build/coverage/gcov.log, not among what they print.
check_coverage() {
  build coverage
  find build/coverage -name '*.gcda' -delete
  step ctest --preset coverage --parallel "$(nproc)"
  mkdir -p build/coverage/html
  step gcovr --root . --object-directory build/coverage --filter 'include/' --gcov-ignore-parse-errors=negative_hits.warn_once_per_file \
    --gcov-suspicious-hits-threshold=0 --merge-mode-functions=separate --exclude-unreachable-branches \
    --txt --txt-summary --json-summary build/coverage/summary.json --html-details build/coverage/html/index.html --fail-under-line 90
}

# check [NAME …]: the named checks, or all but cuda, which downloads 3 GB, and fuzz and coverage, which take hours; each runs
# whatever became of the one before.
check() {
  local checks=("$@") name failed=()
  (( $# )) || checks=(format headers asan tidy docs)
  tools
  for name in "${checks[@]}"; do
    declare -F "check_$name" >/dev/null || die "there is no check '$name'; these are: format headers asan tidy docs cuda coverage fuzz"
    case $name in
      tidy | fuzz) setup clang ;;
      cuda) setup libbenchmark-dev ;;
      docs) setup doxygen graphviz ;;
    esac
    say "check: $name"
    set +e  # not `if (…)`: there bash would go on after a failed line
    (set -e; "check_$name")
    local status=$?
    set -e
    if (( status )); then failed+=("$name"); else say "check: $name passed"; fi
  done
  if (( ${#failed[@]} )); then
    for name in "${failed[@]}"; do say "FAILED: $name (again by: ./run check $name)"; done
    exit 1
  fi
  say "all checks passed: ${checks[*]}"
}
