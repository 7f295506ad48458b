// Rows of float32 numbers in the memory of those that are not zero: what rectifiers give is half of it zeros.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace repsim {

class Rows {
 public:
  explicit Rows(int64_t width) : width_(width) {}

  // Appends rows × width numbers that lie row by row on the CPU.
  void push(const at::Tensor& rows);

  // Columns from `start` on, a multiple of 4,096, of the first rows, less `centre` (1 × columns): into
  // slices × rows × columns of a slice.
  void read(int64_t start, const at::Tensor& centre, const at::Tensor& out) const;

  uint64_t bytes() const { return bytes_; }

 private:
  struct Row {
    std::unique_ptr<uint64_t[]> masks;   // a bit a number, 1 where it is kept; null where all are
    std::unique_ptr<uint32_t[]> starts;  // of each 4,096 columns the first number that is kept
    std::unique_ptr<float[]> values;     // and one more, which is read but never used
  };

  Row packed(const float* numbers, float* scratch, uint64_t& bytes) const;
  void unpack(const Row& row, int64_t first, int64_t count, const float* mean, float* out) const;

  int64_t width_;
  uint64_t bytes_ = 0;
  std::vector<Row> rows_;
};

}  // namespace repsim
