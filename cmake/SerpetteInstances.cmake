# serpette_instances: the shipped scenarios compiled once, one source each, for our own programs
# (programs/support/instances.hpp has the list; neither is installed).
set(_list ${PROJECT_SOURCE_DIR}/programs/support/instances.hpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_list})
file(READ ${_list} _text)
string(REGEX MATCHALL "one\\([A-Z][A-Za-z0-9]+\\)" _instances "${_text}")
add_library(serpette_instances STATIC)
foreach(_scenario IN LISTS _instances)
  string(REGEX REPLACE "one\\((.*)\\)" "\\1" _scenario "${_scenario}")
  set(_source ${CMAKE_BINARY_DIR}/instances/${_scenario}.cpp)
  file(CONFIGURE OUTPUT ${_source}
    CONTENT "#define SERPETTE_INSTANCE ${_scenario}\n#include \"support/instances.hpp\"\n")
  target_sources(serpette_instances PRIVATE ${_source})
endforeach()
target_include_directories(serpette_instances PRIVATE ${PROJECT_SOURCE_DIR}/programs)
target_link_libraries(serpette_instances PUBLIC serpette_dev)
target_precompile_headers(serpette_instances REUSE_FROM serpette_pch)
