#include <catch2/catch_session.hpp>

// As Catch2's own, but every case has its source as a tag, [#nms] of nms.cpp: ctest runs tests by
// them.
int main(int argc, char** argv) {
  Catch::Session session;
  session.configData().filenamesAsTags = true;
  return session.run(argc, argv);
}
