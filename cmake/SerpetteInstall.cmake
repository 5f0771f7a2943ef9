# `cmake --install` and CPack: headers, the package config and the find module it needs.
if(SERPETTE_FETCHED)
  message(STATUS "serpette: no install rules, because these were fetched, not installed: ${SERPETTE_FETCHED}")
  return()
endif()

# Two components: `library`, which packages hold too, and `programs` (programs/CMakeLists.txt), which depend on the
# machine and its LibTorch.
include(GNUInstallDirs)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME library)
include(CMakePackageConfigHelpers)
set(_destination ${CMAKE_INSTALL_DATADIR}/cmake/serpette)

# Two sets of targets, so that a project of reports alone looks for no LibTorch.
install(TARGETS serpette_light serpette_report EXPORT serpette-light-targets
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS serpette EXPORT serpette-targets
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILE_SET parts DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILE_SET laws DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
set(_sets serpette-light-targets serpette-targets)
install(FILES ${PROJECT_SOURCE_DIR}/include/serpette/runtime.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/serpette)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/kernels ${PROJECT_SOURCE_DIR}/src/runtime DESTINATION ${CMAKE_INSTALL_DATADIR}/serpette/src)
if(SERPETTE_APP)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/serpette/app DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/serpette)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/app DESTINATION ${CMAKE_INSTALL_DATADIR}/serpette/src)
  install(FILES ${CMAKE_CURRENT_LIST_DIR}/SerpetteApp.cmake DESTINATION ${_destination})
endif()
# The examples, a project that builds alone, and the network they prune.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples ${PROJECT_SOURCE_DIR}/share/demo DESTINATION ${CMAKE_INSTALL_DATADIR}/serpette)
foreach(_set IN LISTS _sets)
  install(EXPORT ${_set} NAMESPACE serpette:: DESTINATION ${_destination})
endforeach()
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/serpette-config.cmake.in
  ${PROJECT_BINARY_DIR}/serpette-config.cmake INSTALL_DESTINATION ${_destination})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/serpette-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/serpette-config.cmake ${PROJECT_BINARY_DIR}/serpette-config-version.cmake
  ${CMAKE_CURRENT_LIST_DIR}/FindLibTorch.cmake ${CMAKE_CURRENT_LIST_DIR}/FindWebP.cmake ${CMAKE_CURRENT_LIST_DIR}/Findhwy.cmake
  ${CMAKE_CURRENT_LIST_DIR}/SerpetteDistributed.cmake ${CMAKE_CURRENT_LIST_DIR}/SerpetteRuntime.cmake
  ${CMAKE_CURRENT_LIST_DIR}/SerpettePrecompile.cmake DESTINATION ${_destination})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

set(CPACK_PACKAGE_VENDOR serpette)
set(CPACK_PACKAGE_CONTACT "the serpette authors")
set(CPACK_GENERATOR TGZ DEB)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)  # serpette_0.1.0_all.deb
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
string(CONCAT CPACK_DEBIAN_PACKAGE_DEPENDS
  "libfmt-dev, librange-v3-dev, libboost-dev, nlohmann-json3-dev, libsimdjson-dev, libhwy-dev, "
  "libjpeg-dev, libpng-dev, libwebp-dev, libpugixml-dev, libyaml-cpp-dev")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcli11-dev")  # serpette::app
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libtorch-dev (>= 2.4)")  # Debian 12's is older, and PyPI's wheel does as well
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};serpette;library;/")
include(CPack)
