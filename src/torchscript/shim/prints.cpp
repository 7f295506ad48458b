#include "prints.h"

#include <torch/csrc/jit/runtime/print_handler.h>

#include <cstdio>
#include <iostream>
#include <mutex>
#include <streambuf>
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

// Takes what operators write to `std::cout`.
class Lines : public std::streambuf {
 protected:
  int_type overflow(int_type c) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (c != traits_type::eof()) line_ += static_cast<char>(c);
    if (c == '\n' || line_.size() > 4096) flush();
    return c;
  }

  int sync() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!line_.empty()) flush();
    return 0;
  }

 private:
  void flush() {
    print(line_);
    line_.clear();
  }

  std::mutex mutex_;
  std::string line_;
};

}  // namespace

void print_to_standard_error() {
  static Lines lines;
  static std::once_flag once;
  std::call_once(once, [] {
    torch::jit::setPrintHandler(print);
    std::cout.rdbuf(&lines);
  });
}

}  // namespace repsim
