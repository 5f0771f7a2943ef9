#include "mine.hpp"

std::string describe_elsewhere(const Mine& mine) { return serpette::describe(mine.score); }
