#include "mine.hpp"

std::string describe_elsewhere(const Mine& mine) { return serpette::settings_text(mine.score); }
