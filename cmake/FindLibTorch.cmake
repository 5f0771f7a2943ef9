# Imports LibTorch as LibTorch::LibTorch, without the wheel's own package: that one fails where no CUDA toolkit is
# installed, and adds nvcc flags for architectures that nvcc 13 no longer has.
#
# Searched in this order: LIBTORCH_ROOT, CMAKE_PREFIX_PATH / Torch_DIR; the active Python's torch; a distribution's
# libtorch; the user's cache folder, where `./run setup` installs the pinned wheel.
#
# Result: LibTorch_FOUND, LibTorch_VERSION, LibTorch_ROOT, LibTorch_CUDA (whether the CUDA libraries are linked).
# A CPU build links libtorch_cpu and libc10 only, never libtorch.so, which needs libtorch_cuda and all behind it.

set(LIBTORCH_PINNED_VERSION 2.11.0)

set(_libtorch_hints ${LIBTORCH_ROOT} $ENV{LIBTORCH_ROOT})
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _libtorch_hints ${_prefix} ${_prefix}/torch)
endforeach()
if(Torch_DIR)
  get_filename_component(_libtorch_torch_dir "${Torch_DIR}/../../.." ABSOLUTE)
  list(APPEND _libtorch_hints ${_libtorch_torch_dir})
endif()

find_path(LibTorch_INCLUDE_DIR NAMES ATen/core/Tensor.h HINTS ${_libtorch_hints} PATH_SUFFIXES include NO_DEFAULT_PATH)

if(NOT LibTorch_INCLUDE_DIR)
  find_package(Python3 COMPONENTS Interpreter QUIET)
  if(Python3_Interpreter_FOUND)
    execute_process(
      COMMAND ${Python3_EXECUTABLE} -c "import importlib.util as u, pathlib as p; s = u.find_spec('torch'); print(p.Path(s.origin).parent if s and s.origin else '')"
      OUTPUT_VARIABLE _libtorch_python OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(_libtorch_python)
      find_path(LibTorch_INCLUDE_DIR NAMES ATen/core/Tensor.h HINTS ${_libtorch_python} PATH_SUFFIXES include NO_DEFAULT_PATH)
    endif()
  endif()
endif()
if(DEFINED ENV{XDG_CACHE_HOME})
  set(_libtorch_cache "$ENV{XDG_CACHE_HOME}/serpette")
else()
  set(_libtorch_cache "$ENV{HOME}/.cache/serpette")
endif()
find_path(LibTorch_INCLUDE_DIR NAMES ATen/core/Tensor.h
  PATHS ${_libtorch_cache}/libtorch-${LIBTORCH_PINNED_VERSION}/torch PATH_SUFFIXES include)

if(LibTorch_INCLUDE_DIR)
  get_filename_component(LibTorch_ROOT "${LibTorch_INCLUDE_DIR}" DIRECTORY)
  set(_libtorch_version "")
  foreach(_header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT _libtorch_version AND EXISTS "${LibTorch_INCLUDE_DIR}/${_header}")
      file(STRINGS "${LibTorch_INCLUDE_DIR}/${_header}" _libtorch_lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" _libtorch_version "${_libtorch_lines}")
    endif()
  endforeach()
  set(LibTorch_VERSION "${_libtorch_version}")
endif()
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${LibTorch_ROOT} PATH_SUFFIXES lib)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${LibTorch_ROOT} PATH_SUFFIXES lib)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run `./run setup`, or set LIBTORCH_ROOT to a folder with include/ and lib/ of LibTorch")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  find_package(Threads REQUIRED)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::torch_cpu SHARED IMPORTED)
  set_target_properties(LibTorch::torch_cpu PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  # libtorch_cpu of the CUDA wheel needs the CUDA runtime and CUPTI; its RPATH finds them beside the wheel, the
  # linker has to be told.
  file(GLOB _libtorch_nvidia "${LibTorch_ROOT}/../nvidia/cu13/lib")
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_INCLUDE_DIRECTORIES "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES "LibTorch::torch_cpu;LibTorch::c10;Threads::Threads")
  if(_libtorch_nvidia)
    set_property(TARGET LibTorch::LibTorch APPEND PROPERTY INTERFACE_LINK_OPTIONS
      "LINKER:-rpath-link,${_libtorch_nvidia}")
  endif()
endif()
