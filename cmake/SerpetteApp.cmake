# serpette_add_app(SOURCES…): the library serpette::app, the command line of scenarios and the method behind it, compiled
# once for Yolov3 on CocoFolder. A project that finds the installed package compiles it as well, from the installed
# sources and only where a program links it: so it fits the project's compiler, its LibTorch and its options.
function(serpette_add_app)
  add_library(serpette_app STATIC EXCLUDE_FROM_ALL ${ARGN})
  add_library(serpette::app ALIAS serpette_app)
  # As one source: what they share, LibTorch first, is read once.
  set_target_properties(serpette_app PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  target_link_libraries(serpette_app PUBLIC serpette::serpette serpette::kernels CLI11::CLI11)
endfunction()
