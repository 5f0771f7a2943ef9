#pragma once

#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

extern "C" char** environ;

namespace serpette {

/// Draws an SVG file as PNG beside it at twice its size, with `rsvg-convert` (librsvg) if the
/// machine has it.
/// @return  whether it was drawn.
inline bool draw_png(const std::filesystem::path& svg) {
  auto png = svg;
  png.replace_extension(".png");
  auto part = png;
  part += ".part";
  std::vector<std::string> words{"rsvg-convert", "--zoom=2", "--output", part.string(),
                                 svg.string()};
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  pid_t child = 0;
  if (::posix_spawnp(&child, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0)
    return false;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  std::error_code code;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    std::filesystem::remove(part, code);
    return false;
  }
  std::filesystem::rename(part, png, code);
  return !code;
}

}  // namespace serpette
