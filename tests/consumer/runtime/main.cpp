// [cpp]
#include <cstdio>
#include <serpette/runtime.hpp>

int main(int argc, char** argv) try {
  serpette::Runtime runtime(argc == 3 ? argv[1] : "");
  for (const auto& [image, category, score, box] : runtime.detect(argv[2]))
    std::printf("%s %.6f at %.3f, %.3f, %.3f x %.3f\n", runtime.class_names()[category].c_str(),
                score, box.x, box.y, box.width, box.height);
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 2;
}
// [cpp]
