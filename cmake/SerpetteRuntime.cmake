# serpette_add_runtime(INCLUDE SOURCES): the library serpette::runtime, which runs plan files without LibTorch, and
# serpette::kernels, the loops of plans: most of what a compiler has to do for a program that makes or runs one, once for
# all that link it. A project that finds the installed package compiles both as well, from the installed sources and only
# where a program links them.
function(serpette_add_runtime include sources)
  add_library(serpette_kernels STATIC EXCLUDE_FROM_ALL ${sources}/kernels/kernels.cpp)
  add_library(serpette::kernels ALIAS serpette_kernels)
  target_compile_definitions(serpette_kernels INTERFACE SERPETTE_KERNELS_APART)
  target_link_libraries(serpette_kernels PUBLIC hwy::hwy)

  find_package(OpenMP QUIET COMPONENTS CXX)
  file(GLOB _runtime CONFIGURE_DEPENDS ${sources}/runtime/*.cpp)
  add_library(serpette_runtime STATIC EXCLUDE_FROM_ALL ${_runtime})
  add_library(serpette::runtime ALIAS serpette_runtime)
  target_link_libraries(serpette_runtime PRIVATE serpette_kernels JPEG::JPEG PNG::PNG WebP::WebP)
  foreach(_library serpette_kernels serpette_runtime)
    target_compile_features(${_library} PUBLIC cxx_std_20)
    set_target_properties(${_library} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${_library} PUBLIC ${include})
    target_link_libraries(${_library} PRIVATE fmt::fmt-header-only)
  endforeach()
  if(OpenMP_CXX_FOUND)
    target_link_libraries(serpette_runtime PRIVATE OpenMP::OpenMP_CXX)
  else()
    message(STATUS "serpette::runtime: plans compute on ONE THREAD (the compiler has no OpenMP)")
  endif()
endfunction()
