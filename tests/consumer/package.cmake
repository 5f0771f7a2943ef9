# cmake -DSOURCE=… -DBUILD=… -DCOMPILER=… -P package.cmake
# What `./run package`, Conan and vcpkg take, configured without building and without any library, is file for file what
# `cmake --install --component library` installs of a build; and the package says where it lacks LibTorch.
set(folder ${BUILD}/consumer/package)
file(REMOVE_RECURSE ${folder})
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${folder}/build -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER}
  -DSERPETTE_INSTALL_ONLY=ON OUTPUT_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
if(said MATCHES "Found|LibTorch")
  message(FATAL_ERROR "SERPETTE_INSTALL_ONLY should look for nothing, got\n${said}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} --install ${folder}/build --prefix ${folder}/packed OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --component library --prefix ${folder}/built
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
foreach(side IN ITEMS packed built)
  file(GLOB_RECURSE files RELATIVE ${folder}/${side} ${folder}/${side}/*)
  list(SORT files)
  set(${side} "")
  foreach(file IN LISTS files)
    file(SHA256 ${folder}/${side}/${file} sum)
    list(APPEND ${side} "${sum} ${file}")
  endforeach()
  list(LENGTH ${side} count)
  if(count LESS 300)
    message(FATAL_ERROR "the library should be hundreds of headers, got ${count} files ${side}")
  endif()
endforeach()
if(NOT packed STREQUAL built)
  set(more ${packed})
  list(REMOVE_ITEM more ${built})
  list(REMOVE_ITEM built ${packed})
  message(FATAL_ERROR "packed and built should be the same, packed has\n${more}\nbuilt has\n${built}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/without_libtorch -B ${folder}/without_libtorch -G Ninja
  -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_PREFIX_PATH=${folder}/packed OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
