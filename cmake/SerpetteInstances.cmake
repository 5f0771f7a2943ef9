# serpette::instances: the shipped scenarios compiled once, one source each (scenario/instances.hpp).
add_library(serpette_instances STATIC)
add_library(serpette::instances ALIAS serpette_instances)
foreach(_scenario UnstructuredDeepLift UnstructuredHydra StructuredDeepLift StructuredHydra
        UnstructuredDeepLiftGreyscale StructuredDeepLiftGreyscale)
  set(_source ${CMAKE_BINARY_DIR}/instances/${_scenario}.cpp)
  file(CONFIGURE OUTPUT ${_source}
    CONTENT "#define SERPETTE_INSTANCE ${_scenario}\n#include \"serpette/scenario/instances.hpp\"\n")
  target_sources(serpette_instances PRIVATE ${_source})
endforeach()
target_link_libraries(serpette_instances PUBLIC serpette_dev)
target_precompile_headers(serpette_instances REUSE_FROM serpette_pch)
