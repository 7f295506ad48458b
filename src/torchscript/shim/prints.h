// What a model prints.
#pragma once

namespace repsim {

// From now on what models print goes to standard error, where it can be told from what the program says.
void print_to_standard_error();

}  // namespace repsim
