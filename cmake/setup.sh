# Sourced by ./run. `setup [PACKAGE …]` brings a Debian or Ubuntu machine to where CMake can build serpette: it looks
# for what is missing, says what it will do, does it, and is silent and quick when nothing is missing.

readonly libtorch_version=2.11.0      # as LIBTORCH_PINNED_VERSION in cmake/FindLibTorch.cmake
readonly cmake_version=3.31.6         # where the system's CMake is older than 3.25
export HOME=${HOME:-$(cd ~ && pwd)}
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/serpette

# Libraries by their Debian names, which are Ubuntu's too.
readonly libraries=(
  libfmt-dev librange-v3-dev libboost-dev libcli11-dev nlohmann-json3-dev libsimdjson-dev libjpeg-dev libpng-dev
  libwebp-dev libpugixml-dev libyaml-cpp-dev
)

system_id=unknown system_version=0 system_name="this system"
if [[ -r /etc/os-release ]]; then
  system_id=$(. /etc/os-release && echo "${ID:-unknown}")
  system_version=$(. /etc/os-release && echo "${VERSION_ID:-0}")
  system_name=$(. /etc/os-release && echo "${PRETTY_NAME:-$ID}")
fi

at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }  # at_least FOUND WANTED
has() { command -v "$1" >/dev/null; }
is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }
has_driver() { [[ -e /proc/driver/nvidia/version || -e /dev/dxg ]]; }

cmake_is_recent() { has cmake && at_least "$(cmake --version | awk 'NR == 1 { print $3 }')" 3.25; }
compiler_is_recent() { has "${1:-g++}" && at_least "$("${1:-g++}" -dumpfullversion)" 12; }
python_has_venv() { has python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; }

catch2_present() {
  at_least "$(dpkg-query -W -f '${Version}' catch2 2>/dev/null || echo 0)" 3 || compgen -G "$cache/catch2-3*/usr" >/dev/null
}

# The same places, in the same order, as cmake/FindLibTorch.cmake.
libtorch_present() {
  [[ -n ${LIBTORCH_ROOT:-}${Torch_DIR:-} || -e ${CMAKE_PREFIX_PATH:-/nowhere}/include/ATen/core/Tensor.h ]] && return
  has python3 && python3 - <<'PYTHON' && return
import importlib.util, pathlib, re, sys
spec = importlib.util.find_spec("torch")
if not (spec and spec.origin): sys.exit(1)
root = pathlib.Path(spec.origin).parent
version = re.match(r"(\d+)\.(\d+)", re.search(r"__version__ = '([^']+)'", (root / "version.py").read_text())[1])
config = root / "share/cmake/Torch/TorchConfig.cmake"
old_abi = config.exists() and "_GLIBCXX_USE_CXX11_ABI=0" in config.read_text()
sys.exit(old_abi or tuple(map(int, version.groups())) < (2, 4) or not (root / "include/ATen/core/Tensor.h").exists())
PYTHON
  at_least "$(dpkg-query -W -f '${Version}' libtorch-dev 2>/dev/null || echo 0)" 2.4 && return
  libtorch_cached
}
libtorch_cached() {
  local folder=$cache/libtorch-$libtorch_version
  [[ -e $folder/torch/lib/libtorch_cpu.so ]] && { ! has_driver || [[ -d $folder/nvidia/cudnn ]]; }
}

as_root() {
  if (( EUID == 0 )); then step "$@"
  elif has sudo; then step sudo "$@"
  else die "needs root or sudo for: $*"
  fi
}

# in_place NAME: what was made in $made becomes $cache/NAME at once, so that an interrupted run leaves nothing half done.
in_place() {
  [[ -e $made ]] || return 1
  rm -rf "${cache:?}/$1"
  mv -T "$made" "$cache/$1"
}

install_packages() {
  local options=(-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3)
  as_root apt-get "${options[@]}" -q update || say "apt-get update had errors; going on"
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get "${options[@]}" -q install -y --no-install-recommends "$@"
}

install_cmake() {
  local folder=$cache/cmake-$cmake_version  # a venv cannot be moved: its last act is the mark that it is complete
  rm -rf "$folder"
  python3 -m venv "$folder"
  step "$folder/bin/pip" install --quiet "cmake==$cmake_version"
  touch "$folder/complete"
}

install_libtorch() {
  local wanted=("torch==$libtorch_version")
  has_driver || wanted=(--no-deps "${wanted[@]}" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
  install_wheels "libtorch-$libtorch_version" "${wanted[@]}"
}
# install_wheels FOLDER PIP_ARGUMENT …: packages of PyPI in a folder of the cache, whole or not at all.
install_wheels() {
  local folder=$1
  shift
  python3 -m venv "$work/venv"
  step "$work/venv/bin/pip" install --retries 10 --no-cache-dir --no-warn-conflicts --target "$work/wheels" "$@"
  made=$work/wheels in_place "$folder"
}

# libtorch_with_cuda: prints a folder of LibTorch with all of NVIDIA's libraries, for a machine that has no driver for them.
libtorch_with_cuda() {
  local folder=libtorch-$libtorch_version-cuda
  if [[ ! -d $cache/$folder/nvidia/cudnn ]]; then
    say "set-up will download LibTorch $libtorch_version and CUDA's libraries (PyPI's torch wheel and what it needs, 3 GB) into $cache/$folder"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/.setup.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    install_wheels "$folder" "torch==$libtorch_version" >&2
  fi
  echo "$cache/$folder/torch"
}

# apt_elsewhere DEB_LINE … -- APT_GET_ARGUMENTS: apt-get with sources, lists and cache of its own, as the same user.
apt_elsewhere() {
  local lines=()
  while [[ $1 != -- ]]; do lines+=("$1") && shift; done
  shift
  mkdir -p "$work/lists/partial" "$work/archives/partial"
  printf '%s\n' "${lines[@]}" >"$work/sources.list"
  apt-get -q -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists" \
    -o Dir::Cache="$work" -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 "$@"
}

# mirror SUITE: where this system gets the suite from.
mirror() { apt-get --print-uris update 2>/dev/null | sed -n "s|^'\(.*\)/dists/$1/InRelease'.*|\1|p" | head -n 1; }

# Debian 12 has Catch2 2.13; its backports have 3.7, unpacked here without touching the system.
install_catch2_from_backports() {
  local line
  line="deb $(mirror bookworm) bookworm-backports main"
  step apt_elsewhere "$line" -- update
  (cd "$work" && step apt_elsewhere "$line" -- download libcatch2-dev)
  local package version
  package=$(compgen -G "$work/libcatch2-dev_*.deb")
  version=$(dpkg-deb -f "$package" Version)
  dpkg-deb -x "$package" "$work/catch2"
  made=$work/catch2 in_place "catch2-${version%%-*}"
}

# install_from_source NAME CMAKE_OPTION …: Ubuntu 22.04's Catch2 is 2.13 and its Highway 0.16; the source packages of
# 24.04 are built here once.
install_from_source() {
  local name=$1 line archive version
  shift
  line="deb-src $(mirror jammy) noble universe"
  step apt_elsewhere "$line" -- update
  (cd "$work" && step apt_elsewhere "$line" -- source --download-only "$name")
  archive=$(compgen -G "$work/${name}_*.orig.tar.?z")
  version=${archive##*_} && version=${version%%.orig*}
  mkdir -p "$work/$name"
  tar -xf "$archive" -C "$work/$name" --strip-components=1
  step cmake -S "$work/$name" -B "$work/$name/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
    -DCMAKE_INSTALL_PREFIX="$work/$name-$version/usr" -DCMAKE_INSTALL_MESSAGE=NEVER "$@"
  step cmake --build "$work/$name/build" --target install
  made=$work/$name-$version in_place "$name-$version"
}

choose_compiler() {
  if [[ -z ${CXX:-} ]] && ! compiler_is_recent; then export CXX=$1 CC=${1/g++/gcc}; fi
}

# setup [PACKAGE …]: what every command needs, and the packages that one needs besides.
setup() {
  local packages=() todo=() compiler=g++ own_cmake=$cache/cmake-$cmake_version
  [[ $system_id == ubuntu ]] && ! at_least "$system_version" 23 && compiler=g++-12
  [[ -e $own_cmake/complete ]] && PATH=$own_cmake/bin:$PATH

  [[ -n ${CXX:-} ]] || compiler_is_recent || compiler_is_recent "$compiler" || packages+=("$compiler")
  has git || packages+=(git)
  has ninja || packages+=(ninja-build)
  python_has_venv || packages+=(python3 python3-venv)
  local package cmake_by_pip= libtorch= catch2= highway=
  if ! cmake_is_recent; then
    if [[ $compiler == g++-12 ]]; then cmake_by_pip=yes; else packages+=(cmake); fi
  fi
  if has dpkg-query; then
    for package in "${libraries[@]}" ca-certificates "$@"; do is_installed "$package" || packages+=("$package"); done
  fi
  libtorch_present || libtorch=yes
  if ! catch2_present; then
    case $system_id-$system_version in
      debian-12) catch2=backports ;;
      ubuntu-22.*) catch2=source ;;
      *) packages+=(catch2) ;;
    esac
  fi

  if [[ $system_id-$system_version == ubuntu-22.* ]]; then
    compgen -G "$cache/highway-1*/usr" >/dev/null || highway=source
  elif has dpkg-query && ! is_installed libhwy-dev; then
    packages+=(libhwy-dev)
  fi

  if (( ${#packages[@]} || EUID == 0 )) && has dpkg-query && ! is_installed librsvg2-bin; then
    packages+=(librsvg2-bin)  # figures as PNG too; not worth asking for rights alone
  fi

  (( ${#packages[@]} )) && todo+=("install with apt-get: ${packages[*]}")
  [[ $cmake_by_pip ]] && todo+=("install CMake $cmake_version from PyPI into $own_cmake")
  local size="530 MB"
  if has_driver; then size="530 MB and some 2 GB of CUDA libraries"; fi
  [[ $libtorch ]] && todo+=("download LibTorch $libtorch_version (PyPI's torch wheel, $size) into $cache/libtorch-$libtorch_version")
  [[ $catch2 == backports ]] && todo+=("unpack Catch2 3 of Debian's backports into $cache (not into the system)")
  [[ $catch2 == source ]] && todo+=("build Catch2 3 from Ubuntu 24.04's source package into $cache")
  [[ $highway ]] && todo+=("build Highway 1 from Ubuntu 24.04's source package into $cache")
  if (( ${#todo[@]} )); then
    say "set-up on $system_name will"
    printf '  - %s\n' "${todo[@]}" >&2
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/.setup.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    if (( ${#packages[@]} )); then
      has apt-get || die "has no apt-get here: install these or their equals yourself: ${packages[*]}"
      install_packages "${packages[@]}"
    fi
    choose_compiler "$compiler"
    if [[ $cmake_by_pip ]]; then install_cmake; PATH=$own_cmake/bin:$PATH; fi
    if [[ $libtorch ]]; then install_libtorch; fi
    local elsewhere="could not be had from the package mirror; CMake will fetch its sources"
    case $catch2 in
      backports) install_catch2_from_backports || say "Catch2 3 $elsewhere" ;;
      source) install_from_source catch2 -DCATCH_INSTALL_DOCS=OFF || say "Catch2 3 $elsewhere" ;;
    esac
    if [[ $highway ]]; then
      install_from_source highway -DHWY_ENABLE_TESTS=OFF -DHWY_ENABLE_EXAMPLES=OFF -DHWY_ENABLE_CONTRIB=OFF ||
        say "Highway 1 $elsewhere"
    fi
    rm -rf "$work"
    say "set-up is done"
  fi
  choose_compiler "$compiler"
}
