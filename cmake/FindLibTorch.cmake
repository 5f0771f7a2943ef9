# Imports LibTorch as LibTorch::LibTorch, without the wheel's own package: that one fails where no CUDA toolkit is
# installed, and adds nvcc flags for architectures that nvcc 13 no longer has.
#
# Searched in this order: LIBTORCH_ROOT, CMAKE_PREFIX_PATH and Torch_DIR; the active Python's torch; a distribution's
# libtorch; the user's cache folder, where `./run setup` installs the pinned wheel.
#
# Result: LibTorch_FOUND, LibTorch_VERSION, LibTorch_ROOT, LibTorch_CUDA (whether the CUDA libraries are linked),
# LibTorch_OPENMP (the OpenMP runtime that code of the target shares with LibTorch; empty where it cannot).
# SERPETTE_CUDA decides: ON links them or fails, OFF never does, AUTO (the default) does where a driver or a toolkit is
# present and all that they need can be loaded. A CPU build links libtorch_cpu and libc10 only, never libtorch.so,
# which needs libtorch_cuda and all behind it.

set(LIBTORCH_PINNED_VERSION 2.11.0)

# _libtorch_candidate(FOLDER …): takes the first folder with LibTorch's headers, of the ABI the compiler uses.
function(_libtorch_candidate)
  foreach(_folder IN LISTS ARGN)
    if(LibTorch_INCLUDE_DIR OR NOT EXISTS "${_folder}/include/ATen/core/Tensor.h")
      continue()
    endif()
    set(_config "${_folder}/share/cmake/Torch/TorchConfig.cmake")
    if(EXISTS "${_config}")
      file(STRINGS "${_config}" _old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
      if(_old_abi)
        message(STATUS "LibTorch: ${_folder} is passed over: built with the C++ ABI of before GCC 5")
        continue()
      endif()
    endif()
    set(LibTorch_INCLUDE_DIR "${_folder}/include" CACHE PATH "Folder of LibTorch's headers" FORCE)
  endforeach()
endfunction()

set(_libtorch_named ${LIBTORCH_ROOT} "$ENV{LIBTORCH_ROOT}")
string(REPLACE ":" ";" _libtorch_prefixes "$ENV{CMAKE_PREFIX_PATH}")
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH _libtorch_prefixes)
  list(APPEND _libtorch_named ${_prefix} ${_prefix}/torch)
endforeach()
foreach(_config IN ITEMS "${Torch_DIR}" "$ENV{Torch_DIR}")
  if(_config)  # …/share/cmake/Torch
    get_filename_component(_config "${_config}/../../.." ABSOLUTE)
    list(APPEND _libtorch_named "${_config}")
  endif()
endforeach()
_libtorch_candidate(${_libtorch_named})

if(NOT LibTorch_INCLUDE_DIR)
  find_program(_libtorch_python NAMES python3 python)
  mark_as_advanced(_libtorch_python)
  if(_libtorch_python)
    execute_process(
      COMMAND ${_libtorch_python} -c "import importlib.util as u, pathlib as p; s = u.find_spec('torch'); print(p.Path(s.origin).parent if s and s.origin else '')"
      OUTPUT_VARIABLE _libtorch_module OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    _libtorch_candidate(${_libtorch_module})
  endif()
endif()
find_path(LibTorch_INCLUDE_DIR NAMES ATen/core/Tensor.h)
if(NOT LibTorch_INCLUDE_DIR)
  if(NOT "$ENV{XDG_CACHE_HOME}" STREQUAL "")
    set(_libtorch_cache "$ENV{XDG_CACHE_HOME}/serpette")
  else()
    set(_libtorch_cache "$ENV{HOME}/.cache/serpette")
  endif()
  _libtorch_candidate("${_libtorch_cache}/libtorch-${LIBTORCH_PINNED_VERSION}/torch")
endif()

set(LibTorch_VERSION "")
if(LibTorch_INCLUDE_DIR)
  get_filename_component(LibTorch_ROOT "${LibTorch_INCLUDE_DIR}" DIRECTORY)
  foreach(_header IN ITEMS torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT LibTorch_VERSION AND EXISTS "${LibTorch_INCLUDE_DIR}/${_header}")
      file(STRINGS "${LibTorch_INCLUDE_DIR}/${_header}" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*PATCH ([0-9]+).*" "\\1.\\2.\\3" LibTorch_VERSION "${_lines}")
    endif()
  endforeach()
endif()
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS ${LibTorch_ROOT} PATH_SUFFIXES lib)
find_library(LibTorch_C10_LIBRARY c10 HINTS ${LibTorch_ROOT} PATH_SUFFIXES lib)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "run `./run setup`, or set LIBTORCH_ROOT to a folder with include/ and lib/ of LibTorch")

# LibTorch_CUDA, and where not, why not.
set(LibTorch_CUDA FALSE)
if(LibTorch_FOUND AND NOT "${SERPETTE_CUDA}" STREQUAL "OFF")
  get_filename_component(_libtorch_lib "${LibTorch_CPU_LIBRARY}" DIRECTORY)
  set(_why_not "")
  if(NOT EXISTS "${_libtorch_lib}/libtorch_cuda.so")
    set(_why_not "this LibTorch was built without CUDA")
  else()
    find_program(_libtorch_nvcc nvcc PATHS /usr/local/cuda/bin)
    mark_as_advanced(_libtorch_nvcc)
    if(NOT "${SERPETTE_CUDA}" STREQUAL "ON" AND NOT EXISTS /proc/driver/nvidia/version AND NOT EXISTS /dev/dxg AND NOT _libtorch_nvcc)
      set(_why_not "no NVIDIA driver and no CUDA toolkit")
    endif()
    execute_process(COMMAND ldd "${_libtorch_lib}/libtorch_cuda.so" OUTPUT_VARIABLE _libtorch_needs ERROR_QUIET)
    string(REGEX MATCHALL "[^ \t\n]+ => not found" _libtorch_missing "${_libtorch_needs}")
    if(_libtorch_missing)
      list(TRANSFORM _libtorch_missing REPLACE " => not found" "")
      list(JOIN _libtorch_missing ", " _libtorch_missing)
      set(_why_not "libtorch_cuda.so needs these, which cannot be loaded: ${_libtorch_missing}")
    endif()
  endif()
  if(NOT _why_not)
    set(LibTorch_CUDA TRUE)
  elseif("${SERPETTE_CUDA}" STREQUAL "ON")
    message(FATAL_ERROR "SERPETTE_CUDA is ON, but ${_why_not}")
  endif()
  if(NOT LibTorch_FIND_QUIETLY AND LibTorch_CUDA)
    message(STATUS "LibTorch: with CUDA")
  elseif(NOT LibTorch_FIND_QUIETLY)
    message(STATUS "LibTorch: CPU only (${_why_not})")
  endif()
endif()

# LibTorch_OPENMP. at::parallel_for is a template that is compiled with its user, and serial code without OpenMP. The
# runtime is LibTorch's own, never the compiler's beside it: two in one process have two sets of threads.
set(LibTorch_OPENMP "")
set(_libtorch_openmp_option "")
set(_libtorch_parallel "")
if(LibTorch_FOUND)
  file(STRINGS "${LibTorch_INCLUDE_DIR}/ATen/Config.h" _libtorch_parallel REGEX "define AT_PARALLEL_OPENMP 1")
endif()
if(_libtorch_parallel)
  include(CheckCXXCompilerFlag)
  execute_process(COMMAND ldd "${LibTorch_CPU_LIBRARY}" OUTPUT_VARIABLE _libtorch_needs ERROR_QUIET)
  set(_why_not "")
  if(NOT _libtorch_needs MATCHES "lib(gomp|iomp5|omp)[^ \t\n]* => (/[^ \t\n]+)")
    set(_why_not "the OpenMP runtime of this LibTorch was not found")
  else()
    set(_libtorch_runtime "${CMAKE_MATCH_1}")
    set(_libtorch_runtime_file "${CMAKE_MATCH_2}")
    set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # what the compiler would link does not matter
    check_cxx_compiler_flag(-fopenmp LibTorch_COMPILER_HAS_OPENMP)
    unset(CMAKE_TRY_COMPILE_TARGET_TYPE)
    if(NOT LibTorch_COMPILER_HAS_OPENMP)
      set(_why_not "the compiler has no OpenMP")
    elseif(_libtorch_runtime STREQUAL "gomp" AND NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      set(_why_not "this LibTorch uses GCC's OpenMP runtime, which ${CMAKE_CXX_COMPILER_ID} cannot use")
    else()
      set(LibTorch_OPENMP "${_libtorch_runtime_file}")
      set(_libtorch_openmp_option "$<$<COMPILE_LANGUAGE:CXX>:-fopenmp>")  # to compile; the runtime is linked by name
    endif()
  endif()
  if(LibTorch_OPENMP AND NOT LibTorch_FIND_QUIETLY)
    message(STATUS "LibTorch: OpenMP by ${LibTorch_OPENMP}")
  elseif(NOT LibTorch_OPENMP)
    message(STATUS "LibTorch: programs compute on ONE THREAD outside LibTorch's own operations (${_why_not})")
  endif()
endif()

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  find_package(Threads REQUIRED)
  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::torch_cpu SHARED IMPORTED)
  set_target_properties(LibTorch::torch_cpu PROPERTIES IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  set(_libtorch_includes "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_libtorch_includes}"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${_libtorch_includes}"
    INTERFACE_COMPILE_OPTIONS "${_libtorch_openmp_option}"
    INTERFACE_LINK_LIBRARIES "LibTorch::torch_cpu;LibTorch::c10;${LibTorch_OPENMP};Threads::Threads")
  # The CUDA wheel's libtorch_cpu needs the CUDA runtime and CUPTI; its own RPATH finds them beside the wheel when the
  # program starts, the linker has to be told.
  file(GLOB _libtorch_nvidia "${LibTorch_ROOT}/../nvidia/*/lib")
  foreach(_folder IN LISTS _libtorch_nvidia)
    set_property(TARGET LibTorch::LibTorch APPEND PROPERTY INTERFACE_LINK_OPTIONS "LINKER:-rpath-link,${_folder}")
  endforeach()
  if(LibTorch_CUDA)
    # Nothing of ours names a symbol of these: they register themselves when loaded, so the linker must keep them.
    # Never libtorch.so: it is empty but for pieces of a C++ library of its own, and a program that finds them first
    # (std::filesystem::remove_all) jumps to address 0.
    set(_libtorch_cuda "${_libtorch_lib}/libtorch_cuda.so,${_libtorch_lib}/libc10_cuda.so")
    set_property(TARGET LibTorch::LibTorch APPEND PROPERTY INTERFACE_LINK_OPTIONS
      "LINKER:--push-state,--no-as-needed,${_libtorch_cuda},--pop-state")
  endif()
endif()
