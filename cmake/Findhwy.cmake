# Imports Highway as hwy::hwy, from Conan's package, which calls it highway::hwy, or from its own (Debian, vcpkg).
#
# Result: hwy_FOUND, hwy_VERSION.
find_package(highway CONFIG QUIET)
if(TARGET highway::hwy)
  set(hwy_VERSION "${highway_VERSION}")
  if(NOT TARGET hwy::hwy)
    add_library(hwy::hwy INTERFACE IMPORTED)
    target_link_libraries(hwy::hwy INTERFACE highway::hwy)
  endif()
else()
  find_package(hwy CONFIG QUIET)
endif()
if(TARGET hwy::hwy)
  set(hwy_TARGET hwy::hwy)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(hwy REQUIRED_VARS hwy_TARGET VERSION_VAR hwy_VERSION)
unset(hwy_TARGET)
