#include "rows.h"

#include <ATen/Parallel.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <system_error>
#include <thread>

#include "model.h"

using repsim::guarded;

namespace repsim {

namespace {

constexpr int64_t kWord = 64;
constexpr int64_t kStep = 4096;

int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }

uint32_t bits_of(const float* number) {
  uint32_t bits;
  std::memcpy(&bits, number, sizeof bits);
  return bits;
}

// Numbers that may be written behind those that are kept.
constexpr int64_t kSlack = 16;

// Copies the numbers whose bits are not all zero, which keeps −0; returns how many there are.
int64_t pack_word(const float* from, int64_t count, uint64_t& mask, float* to) {
  int64_t kept = 0;
  mask = 0;
  for (int64_t j = 0; j < count; ++j) {
    const uint64_t there = bits_of(from + j) != 0;
    to[kept] = from[j];
    mask |= there << j;
    kept += static_cast<int64_t>(there);
  }
  return kept;
}

// Writes numbers with their zeros, less `mean`; returns where the next ones are.
const float* unpack_word(const float* from, uint64_t mask, int64_t count, const float* mean, float* to) {
  for (int64_t j = 0; j < count; ++j) {
    const uint32_t there = static_cast<uint32_t>(mask >> j) & 1;
    const uint32_t bits = bits_of(from) & (0u - there);
    float number;
    std::memcpy(&number, &bits, sizeof number);
    to[j] = number - mean[j];
    from += there;
  }
  return from;
}

#ifdef __x86_64__
#define REPSIM_WIDE __attribute__((target("avx512f,popcnt")))

// The same, of 64 numbers.
REPSIM_WIDE int64_t pack_wide(const float* from, uint64_t& mask, float* to) {
  int64_t kept = 0;
  mask = 0;
  for (int j = 0; j < kWord; j += 16) {
    const __m512 numbers = _mm512_loadu_ps(from + j);
    const __m512i bits = _mm512_castps_si512(numbers);
    const __mmask16 there = _mm512_test_epi32_mask(bits, bits);
    _mm512_storeu_ps(to + kept, _mm512_maskz_compress_ps(there, numbers));
    mask |= static_cast<uint64_t>(there) << j;
    kept += _mm_popcnt_u32(there);
  }
  return kept;
}

REPSIM_WIDE const float* unpack_wide(const float* from, uint64_t mask, const float* mean, float* to) {
  for (int j = 0; j < kWord; j += 16) {
    const auto there = static_cast<__mmask16>(mask >> j);
    const __m512 numbers = _mm512_maskz_expandloadu_ps(there, from);
    _mm512_storeu_ps(to + j, _mm512_sub_ps(numbers, _mm512_loadu_ps(mean + j)));
    from += _mm_popcnt_u32(there);
  }
  return from;
}

bool is_wide() {
  static const bool found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt");
  return found;
}
#else
int64_t pack_wide(const float* from, uint64_t& mask, float* to) { return pack_word(from, kWord, mask, to); }

const float* unpack_wide(const float* from, uint64_t mask, const float* mean, float* to) {
  return unpack_word(from, mask, kWord, mean, to);
}

bool is_wide() { return false; }
#endif

// Does `work` for ranges of 0..count on as many threads as libtorch has, or as many as can be had. What one of
// them throws is thrown again.
template <typename Work>
void in_parallel(int64_t count, const Work& work) {
  const int64_t threads = std::clamp<int64_t>(at::get_num_threads(), 1, std::max<int64_t>(count, 1));
  std::vector<std::exception_ptr> thrown(threads);
  const auto range = [&](int64_t t) {
    try {
      work(count * t / threads, count * (t + 1) / threads);
    } catch (...) {
      thrown[t] = std::current_exception();
    }
  };
  std::vector<std::thread> others;
  others.reserve(threads);
  int64_t next = 1;
  try {
    for (; next < threads; ++next) others.emplace_back(range, next);
  } catch (const std::system_error&) {
    // No more threads: the rest is done here.
  }
  range(0);
  for (; next < threads; ++next) range(next);
  for (auto& thread : others) thread.join();
  for (const auto& error : thrown) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace

Rows::Row Rows::packed(const float* numbers, float* scratch, uint64_t& bytes) const {
  const int64_t words = parts(width_, kWord), steps = parts(width_, kStep);
  const bool wide = is_wide();
  Row row;
  row.masks.reset(new uint64_t[words]);
  row.starts.reset(new uint32_t[steps]);
  int64_t kept = 0;
  for (int64_t word = 0; word < words; ++word) {
    const int64_t first = word * kWord;
    if (first % kStep == 0) row.starts[first / kStep] = static_cast<uint32_t>(kept);
    const int64_t count = std::min(kWord, width_ - first);
    kept += wide && count == kWord
                ? pack_wide(numbers + first, row.masks[word], scratch + kept)
                : pack_word(numbers + first, count, row.masks[word], scratch + kept);
  }
  const int64_t beside = words * 8 + steps * 4;
  if (kept * 4 + beside < width_ * 4) {
    row.values.reset(new float[kept + 1]);
    std::memcpy(row.values.get(), scratch, kept * sizeof(float));
    row.values[kept] = 0;
    bytes = kept * 4 + beside;
    return row;
  }
  row.masks.reset();
  row.starts.reset();
  row.values.reset(new float[width_]);
  std::memcpy(row.values.get(), numbers, width_ * sizeof(float));
  bytes = width_ * 4;
  return row;
}

void Rows::push(const at::Tensor& rows) {
  TORCH_CHECK(rows.is_cpu() && rows.scalar_type() == at::kFloat && rows.dim() == 2 &&
                  rows.size(1) == width_ && rows.is_contiguous(),
              "rows that cannot be kept");
  const size_t before = rows_.size();
  const float* numbers = rows.const_data_ptr<float>();
  rows_.resize(before + rows.size(0));
  std::atomic<uint64_t> added{0};
  in_parallel(rows.size(0), [&](int64_t begin, int64_t end) {
    std::unique_ptr<float[]> scratch(new float[width_ + kSlack]);
    for (int64_t i = begin; i < end; ++i) {
      uint64_t bytes = 0;
      rows_[before + i] = packed(numbers + i * width_, scratch.get(), bytes);
      added += bytes;
    }
  });
  bytes_ += added;
}

void Rows::unpack(const Row& row, int64_t first, int64_t count, const float* mean, float* out) const {
  if (!row.masks) {
    const float* from = row.values.get() + first;
    for (int64_t j = 0; j < count; ++j) out[j] = from[j] - mean[j];
    return;
  }
  const bool wide = is_wide();
  const float* from = row.values.get() + row.starts[first / kStep];
  for (int64_t done = 0; done < count; done += kWord) {
    const uint64_t mask = row.masks[(first + done) / kWord];
    const int64_t left = std::min(kWord, count - done);
    from = wide && left == kWord ? unpack_wide(from, mask, mean + done, out + done)
                                 : unpack_word(from, mask, left, mean + done, out + done);
  }
}

void Rows::read(int64_t start, const at::Tensor& centre, const at::Tensor& out) const {
  const int64_t slices = out.size(0), count = out.size(1), width = out.size(2);
  TORCH_CHECK(start % kStep == 0 && (slices == 1 || width == kStep) && out.stride(2) == 1 &&
                  start + slices * width <= width_ && count <= static_cast<int64_t>(rows_.size()) &&
                  centre.is_contiguous() && centre.numel() == slices * width,
              "rows that are not there");
  const float* mean = centre.const_data_ptr<float>();
  float* to = out.mutable_data_ptr<float>();
  const int64_t by_slice = out.stride(0), by_row = out.stride(1);
  in_parallel(slices * count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t slice = i / count, row = i % count;
      float* target = to + slice * by_slice + row * by_row;
      unpack(rows_[row], start + slice * kStep, width, mean + slice * width, target);
    }
  });
}

}  // namespace repsim

struct repsim_rows {
  repsim::Rows rows;
};

extern "C" {

repsim_rows* repsim_rows_new(int64_t width) { return new repsim_rows{repsim::Rows(width)}; }

void repsim_drop_rows(repsim_rows* rows) { delete rows; }

uint64_t repsim_rows_bytes(const repsim_rows* rows) { return rows->rows.bytes(); }

int repsim_rows_push(repsim_rows* rows, const void* tensor, char** error) {
  return guarded(error, 1, [&] {
    rows->rows.push(*static_cast<const at::Tensor*>(tensor));
    return 0;
  });
}

int repsim_rows_read(const repsim_rows* rows, int64_t start, const void* centre, const void* out,
                     char** error) {
  return guarded(error, 1, [&] {
    rows->rows.read(start, *static_cast<const at::Tensor*>(centre), *static_cast<const at::Tensor*>(out));
    return 0;
  });
}

}  // extern "C"
