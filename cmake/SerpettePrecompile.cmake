# serpette_precompile_headers(TARGET): what TARGET's sources include most is compiled once for all of them: LibTorch, and
# the command line of scenarios where it links serpette::app. Call it behind target_link_libraries.
function(serpette_precompile_headers target)
  get_target_property(_links ${target} LINK_LIBRARIES)
  if("serpette::app" IN_LIST _links)
    target_precompile_headers(${target} PRIVATE <serpette/app/scenario_main.hpp>)
  else()
    target_precompile_headers(${target} PRIVATE <serpette/torch/nn.hpp>)
  endif()
endfunction()
