#include <cstdio>

#include "mine.hpp"

int main() {
  const Mine mine{};
  const bool equal = serpette::settings_text(mine.score) == describe_elsewhere(mine);
  std::printf("%s\n", describe_elsewhere(mine).c_str());
  return equal ? 0 : 1;
}
