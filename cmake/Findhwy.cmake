# Imports Highway as hwy::hwy, by its own package (Debian, vcpkg) or by Conan's, which calls it highway::hwy.
#
# Result: hwy_FOUND, hwy_VERSION.
find_package(hwy CONFIG QUIET)
if(NOT TARGET hwy::hwy)
  find_package(highway CONFIG QUIET)
  set(hwy_VERSION "${highway_VERSION}")
  if(TARGET highway::hwy)
    add_library(hwy::hwy INTERFACE IMPORTED)
    target_link_libraries(hwy::hwy INTERFACE highway::hwy)
  endif()
endif()
if(TARGET hwy::hwy)
  set(hwy_TARGET hwy::hwy)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(hwy REQUIRED_VARS hwy_TARGET VERSION_VAR hwy_VERSION)
unset(hwy_TARGET)
