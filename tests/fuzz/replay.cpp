// What the fuzz targets do where there is no fuzzer: runs one on every file of a folder, on every
// such file cut short, and on copies with a few bytes changed (always the same ones). A crash, a
// hang or an exception other than serpette::Error is a failure. With the one word `bombs`: sets
// small files off that claim to be large, and measures what they cost.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "fuzz/bombs.hpp"
#include "fuzz/fuzz.hpp"

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "bombs")
    return serpette::test::set_off_bombs() == 0 ? 0 : 1;
  const auto& targets = serpette::test::fuzz_targets();
  const auto target = count == 3 ? targets.find(arguments[1]) : targets.end();
  if (target == targets.end()) {
    std::fprintf(stderr, "usage: %s bombs | TARGET FOLDER    TARGET is one of", arguments[0]);
    for (const auto& [name, function] : targets)
      std::fprintf(stderr, " %.*s", static_cast<int>(name.size()), name.data());
    std::fprintf(stderr, "\n");
    return 2;
  }
  long inputs = 0, files = 0;
  const auto run = [&](const std::string& text) {
    target->second(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    ++inputs;
  };
  for (const auto& entry : std::filesystem::directory_iterator(arguments[2])) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    ++files;
    run(text);
    for (std::size_t cut = 1; cut <= 64; ++cut) run(text.substr(0, text.size() * cut / 65));
    std::mt19937_64 random(text.size());
    for (int copy = 0; copy < 256 && !text.empty(); ++copy) {
      auto changed = text;
      for (int change = 0; change <= copy % 4; ++change)
        changed[random() % changed.size()] = static_cast<char>(random());
      run(changed);
    }
  }
  std::printf("%ld inputs from %ld files\n", inputs, files);
  return files > 0 ? 0 : 1;
}
