#include "prints.h"

#include <torch/csrc/jit/runtime/print_handler.h>

#include <cstdio>
#include <string>

namespace repsim {

namespace {

constexpr const char* kMark = "a model prints: ";

// Writes lines with a mark in front of each and control characters shown.
void print(const std::string& text) {
  std::string shown;
  bool begins = true;
  for (const char c : text) {
    if (begins) shown += kMark;
    begins = c == '\n';
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\n' && c != '\t') || byte == 0x7f) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
      shown += escaped;
    } else {
      shown += c;
    }
  }
  if (!begins) shown += '\n';
  std::fwrite(shown.data(), 1, shown.size(), stderr);
}

}  // namespace

void print_to_standard_error() { torch::jit::setPrintHandler(print); }

}  // namespace repsim
