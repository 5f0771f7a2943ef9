# The target `docs`: Doxygen's reference of the headers; `./run docs` adds the pages.
find_package(Doxygen REQUIRED)
file(MAKE_DIRECTORY ${PROJECT_SOURCE_DIR}/build/docs/site)
add_custom_target(docs
  COMMAND Doxygen::doxygen docs/Doxyfile
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
  COMMENT "Reference → build/docs/site/cpp"
  VERBATIM)
